"""What peers did so far, as values: for `mows peers`, for `/metrics`, for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from peer.values import Identity, PeerProblem


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatus:
    """One peer as it is at one moment."""

    identity: Identity
    state: str
    """``up``, ``unreachable`` (the connection broke), ``quarantined`` or ``gone`` (no member any more)."""
    reason: str = ""
    """Why it is not up, or the last failure."""
    lane: str = ""
    """How its chunks come: ``bulk``, ``grpc``; empty while none came."""
    received_bytes: int = 0
    sent_bytes: int = 0
    requests_in_flight: int = 0
    chunk_seconds_p95: float | None = None
    busy_answers: int = 0
    failures: int = 0
    corrupt_chunks: int = 0
    quarantined_seconds: float = 0.0
    """How long it will still not be asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerStatistics:
    """This node among its peers. Counters run since the start of the daemon."""

    identity: Identity
    peers: tuple[PeerStatus, ...] = ()
    problems: tuple[PeerProblem, ...] = ()
    discovery: str = "static"
    """``static``, ``dns`` or ``redis``."""
    uploads_running: int = 0
    uploads_limit: int = 0
    downloads_running: int = 0
    downloads_limit: int = 0
    connections: int = 0
    """Bulk connections accepted and open."""
    connections_limit: int = 0
    bytes_in_flight: int = 0
    bytes_in_flight_limit: int = 0
    uplink_bytes_per_second: int | None = None
    """The limit, if there is one."""
    swarms: int = 0
    """Blobs this node wants or gives now."""
    busy_given: int = 0
    """Requests this node turned away because its slots were taken."""
    hedges: int = 0
    duplicate_bytes: int = 0
    """Bytes that came twice: hedged chunks."""
    takeovers: int = 0
    """Chunks fetched from the origin in place of a peer that was late."""
    control_messages: Mapping[str, int] = field(default_factory=dict)
    """``sent`` and ``received`` messages about chunks (not the chunks)."""
    control_bytes: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Requests refused, by reason: ``unauthenticated``, ``bad_ticket``, ``malformed``, ``too_large``, ``too_slow``,
    ``too_many``, ``protocol_version``."""
