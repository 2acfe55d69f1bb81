"""The values of the peer protocol: who a node is, what it says about its chunks. All immutable; nothing does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId

PROTOCOL_VERSION = 1
"""Goes up when nodes of the old and the new version cannot exchange chunks."""

PeerId = NewType("PeerId", str)
"""``node@boot``: one run of one daemon. A node that comes back has another boot id, and is another peer."""

Address = str
"""``host:port``; an IPv6 host stands in brackets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a node is, as it introduces itself."""

    node_id: str
    boot_id: str
    """16 hex digits drawn at each start of the daemon."""
    address: Address
    """Where others reach its gRPC service."""
    lane_port: int
    """Port of its bulk lane, on the same host; 0 when it has none."""
    zone: str
    """Empty when nobody named one: then all nodes are in one zone."""
    chunk_bytes: int
    protocol: int = PROTOCOL_VERSION
    version: str = ""
    """Of the software, for people."""

    @property
    def peer_id(self) -> PeerId:
        """This run of this node."""
        return PeerId(f"{self.node_id}@{self.boot_id}")


@dataclass(frozen=True, slots=True, kw_only=True)
class HaveUpdate:
    """What a node says about one blob: first everything, then what changed."""

    blob: BlobId
    chunk_count: int
    """0 when the node knows nothing of the blob: then the rest is empty."""
    whole: bool
    """Whether `have` replaces what was said before; otherwise it is added."""
    have: ChunkSet
    fetching: ChunkSet
    """What it is getting from the origin, or from another zone, now. Always replaces."""
    want: Want


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerProblem:
    """Something about a peer address that a person should look at."""

    address: Address
    code: str
    """As in `cachefs.errors`, or ``duplicate_node``, ``other_chunk_size``, ``cannot_reach_us``, ``no_peers``,
    ``discovery_failed``."""
    message: str
    hint: str
