"""What this node has asked of its peers and not got yet. Owned by the loop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from cachefs.types import BlobId
from peer.exchange.transport import RemoteChunk
from peer.values import PeerId


class Requests:
    """The chunks on their way, oldest first."""

    def __init__(self) -> None:
        self.hedges = 0
        self.duplicate_bytes = 0
        """Bytes of chunks that came from two peers."""
        self._running: dict[RemoteChunk, None] = {}
        self._by_peer: Counter[PeerId] = Counter()
        self._raced: dict[tuple[BlobId, int], bool] = {}
        """Chunks asked of two peers: whether one of them brought it."""

    def __len__(self) -> int:
        return len(self._running)

    def started(self, request: RemoteChunk) -> None:
        """It was asked for."""
        self._running[request] = None
        self._by_peer[request.peer_id] += 1
        request.neighbour.in_flight += 1

    def ended(self, request: RemoteChunk, nbytes: int) -> None:
        """It brought so much: nothing, if it failed."""
        del self._running[request]
        self._by_peer[request.peer_id] -= 1
        if not self._by_peer[request.peer_id]:
            del self._by_peer[request.peer_id]
        request.neighbour.in_flight -= 1
        if request.raced:
            self._note_race(request, nbytes)

    def by_peer(self) -> Mapping[PeerId, int]:
        """Requests running at each peer."""
        return self._by_peer

    def of(self, peer: PeerId) -> list[RemoteChunk]:
        """What was asked of a peer."""
        return [request for request in self._running if request.peer_id == peer]

    def running(self, blob: BlobId, chunk: int) -> bool:
        """Whether anybody is still asked for this chunk."""
        return any(request.blob == blob and request.chunk == chunk for request in self._running)

    def older_than(self, moment: float) -> list[RemoteChunk]:
        """What was asked for before `moment` and of one peer only."""
        return [request for request in self._running if request.started_at < moment and not request.raced]

    def _note_race(self, request: RemoteChunk, nbytes: int) -> None:
        race = (request.blob, request.chunk)
        if nbytes and self._raced.get(race):
            self.duplicate_bytes += nbytes
        self._raced[race] = self._raced.get(race, False) or bool(nbytes)
        if not self.running(*race):
            del self._raced[race]
