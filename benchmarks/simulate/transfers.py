"""What one node is getting: chunks from peers, a second time from others where the first are late, from the origin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cachefs import bitset
from cachefs.sharing import ChunkSet
from peer.exchange.rates import Rates
from peer.policy.hedging import ChunkTimes
from peer.values import PeerId

if TYPE_CHECKING:
    from benchmarks.simulate.network import FlowId
    from benchmarks.simulate.node import SimNode


@dataclass(slots=True, eq=False)
class Transfer:
    """A chunk on its way to `node`, from `source` or, without one, from the origin."""

    node: SimNode
    source: SimNode | None
    chunk: int
    asked_at: float
    crosses_border: bool = False
    flow: FlowId | None = None
    """While bytes move."""


class Transfers:
    """Of one node. A chunk is in at most one of the three at a time, except that a hedged one is in the first two."""

    def __init__(self) -> None:
        self.from_peers: dict[int, Transfer] = {}
        self.hedges: dict[int, Transfer] = {}
        self.from_origin: dict[int, Transfer] = {}
        self.under_way: ChunkSet = 0
        self.imports: ChunkSet = 0
        """What comes from other zones."""
        self.asked: dict[PeerId, int] = {}
        """Requests running at each peer."""
        self.rates = Rates()
        self.peer_times = ChunkTimes()
        self.origin_times = ChunkTimes()

    @property
    def slots_taken(self) -> int:
        """Of those for downloads from peers."""
        return len(self.from_peers) + len(self.hedges)

    @property
    def announced(self) -> ChunkSet:
        """What others are told to be on its way."""
        return bitset.of(self.from_origin) | self.imports

    def running(self) -> list[Transfer]:
        """All of them."""
        return [*self.from_peers.values(), *self.hedges.values(), *self.from_origin.values()]

    def started(self, transfer: Transfer, *, hedge: bool = False) -> None:
        """It was asked for."""
        self.under_way |= 1 << transfer.chunk
        if transfer.source is None:
            self.from_origin[transfer.chunk] = transfer
            self.rates.origin.started(transfer.asked_at)
            return
        (self.hedges if hedge else self.from_peers)[transfer.chunk] = transfer
        self.asked[transfer.source.peer_id] = self.asked.get(transfer.source.peer_id, 0) + 1
        self.rates.peers.started(transfer.asked_at)
        self.imports |= transfer.crosses_border << transfer.chunk

    def ended(self, transfer: Transfer, nbytes: int, now: float) -> None:
        """It brought so much; nothing, if it was refused, failed or was called off."""
        if transfer.source is None:
            del self.from_origin[transfer.chunk]
            self.rates.origin.ended(nbytes, now)
            self.origin_times = self.origin_times.observe(now - transfer.asked_at)
        else:
            among = self.hedges if self.hedges.get(transfer.chunk) is transfer else self.from_peers
            del among[transfer.chunk]
            self.asked[transfer.source.peer_id] -= 1
            self.rates.peers.ended(nbytes, now)
            if nbytes:
                self.peer_times = self.peer_times.observe(now - transfer.asked_at)
        if transfer.chunk not in self.from_peers and transfer.chunk not in self.hedges:
            self.under_way &= ~(1 << transfer.chunk)
            self.imports &= ~(1 << transfer.chunk)

    def late(self, asked_before: float) -> list[Transfer]:
        """What was asked of one peer only, before then."""
        return [
            transfer
            for chunk, transfer in self.from_peers.items()
            if transfer.asked_at < asked_before and chunk not in self.hedges
        ]
