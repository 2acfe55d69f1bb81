"""A chunk on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachefs.types import BlobKey
from peer.exchange.transport import RemoteChunk

if TYPE_CHECKING:
    from benchmarks.simulate.fetcher import SimFetcher
    from benchmarks.simulate.network import FlowId
    from benchmarks.simulate.uplink import Uplink


@dataclass(slots=True, eq=False)
class Transfer:
    """A chunk on its way to `fetcher`, from the peer that `request` names or, without one, from the origin."""

    fetcher: SimFetcher
    key: BlobKey
    chunk: int
    asked_at: float
    request: RemoteChunk | None = None
    uplink: Uplink | None = None
    """Of that peer."""
    flow: FlowId | None = None
    """While bytes move."""

    @property
    def nbytes(self) -> int:
        """Of the chunk."""
        return len(self.key.chunk_range(self.chunk))

    @property
    def crosses_border(self) -> bool:
        """Whether it comes from another zone."""
        return self.request is not None and not self.request.neighbour.same_zone
