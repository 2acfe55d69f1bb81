"""What can be set about peers: frozen values, read once at the edge. `mows` fills them from the configuration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from peer.values import Address

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySettings:
    """Where the other nodes are: exactly one of the three, or none (then only those that introduce themselves)."""

    static: tuple[Address, ...] = ()
    dns: Address | None = None
    redis: str | None = field(default=None, repr=False)
    """``redis://host:port/db``. May hold a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecuritySettings:
    """How peers know each other. All files are read again when they change."""

    token_file: Path | None = None
    """One token a line: the first is sent, all are accepted, so that a token can be changed node by node."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    @property
    def tls(self) -> bool:
        """Whether gRPC is encrypted, with certificates asked of both sides. The bulk lane is off then."""
        return self.tls_cert is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLimits:
    """Budgets. Each says its unit and why its default is what it is."""

    uploads: int = 12
    """Chunks sent at a time. DESIGN section 9: 8 to 12 are some 40 to 60 ms of the link; 32 is worse than 16."""
    downloads: int = 10
    """Chunks asked for at a time: fewer than uploads, or everybody meets busy peers."""
    connections: int = 256
    """Bulk connections accepted at a time; further ones are closed at once."""
    bytes_in_flight: int = 256 * MIB
    """Bytes promised to other nodes and not sent yet. Above it the answer is BUSY."""
    uplink_bytes_per_second: int | None = None
    """What all uploads together may use of the network card, so that weights do not starve inference traffic."""
    followed: int = 64
    """Peers whose chunks are followed for one blob. Beyond that a random choice of them: more than 16 bring nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerTimes:
    """Deadlines and intervals, in seconds."""

    announce: float = 0.1
    """New chunks are told at most so often. 0.2 is as good, 1 s doubles the time of a cold start (DESIGN section 9)."""
    heartbeat: float = 1.0
    """A peer is asked whether it lives so often."""
    dead_after: float = 2.5
    """Silent for so long: it is gone. Below the 3 s that are promised."""
    connect: float = 2.0
    chunk: float = 30.0
    """One chunk from a peer ends within this time."""
    silent: float = 5.0
    """And while one is waited for, something of it comes within this time: a firewall may lose the bulk lane of a peer
    whose heartbeats go on. Longer than the pauses that an uplink limit makes."""
    idle: float = 30.0
    """A connection nothing came over for so long is closed."""
    handshake: float = 5.0
    """A bulk connection shows its ticket within this time."""
    ticket: float = 10.0
    """A ticket is good for so long, once."""
    settle: float = 0.3
    """How long a node that begins to want a blob waits for its peers' word before it asks the origin."""
    introduce: float = 0.15
    """Where a directory says who wants a blob: a node that begins to want one tells it, and asks after this time, so
    that nodes that begin at the same moment find each other."""
    copies: float = 30.0
    """How often peers are asked which of this node's blobs they have. Blobs used within a minute are equally cold, so
    this is soon enough."""
    quarantine: float = 60.0
    """How long a peer that sent wrong bytes is not asked, at first; doubled each time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerSettings:
    """Everything about one node's peers."""

    node_id: str
    zone: str
    chunk_bytes: int
    version: str
    listen: Address
    """gRPC; the bulk lane listens on the next port. Port 0: any two free ones."""
    advertise: Address | None = None
    """None: `listen`."""
    discovery: DiscoverySettings = field(default_factory=DiscoverySettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    limits: PeerLimits = field(default_factory=PeerLimits)
    times: PeerTimes = field(default_factory=PeerTimes)
    lane: bool = True
    """Whether to offer and use the bulk lane. Without it, and whenever it is blocked, chunks come over gRPC."""
