"""This node as its peers see it: implements `peer.rpc.host.PeerHost`. On the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from cachefs.sharing import ChunkSet, Lender, Want
from cachefs.types import BlobId
from peer.exchange.stock import stock
from peer.swarm import Board, Follower
from peer.tasks import Tasks
from peer.values import Identity, PeerId


class Host:
    """Answers peers out of the board; `look_up` finds what is here of a blob that nobody here wants now."""

    def __init__(
        self,
        identity: Callable[[], Identity],
        lender: Lender,
        *,
        introduced: Callable[[Identity], str],
        ticket: Callable[[PeerId], bytes],
        wake: Callable[[], None],
    ) -> None:
        self.board = Board(self._look_up)
        self._identity = identity
        self._lender = lender
        self._introduced = introduced
        self._ticket = ticket
        self._wake = wake
        self._tasks = Tasks()

    def identity(self) -> Identity:
        """See `PeerHost.identity`."""
        return self._identity()

    def introduced(self, caller: Identity) -> str:
        """See `PeerHost.introduced`."""
        return self._introduced(caller)

    def subscribe(self, caller: Identity) -> Follower:
        """See `PeerHost.subscribe`."""
        return self.board.subscribe(caller.peer_id)

    def locate(self, blob: BlobId, chunks: ChunkSet, urgent: bool) -> tuple[ChunkSet, ChunkSet]:  # noqa: FBT001 - as the port has it
        """See `PeerHost.locate`."""
        swarm = self.board.get(blob)
        if swarm is None:
            return 0, 0
        if urgent and swarm.want is not Want.NONE:
            swarm.urged |= chunks & swarm.all & ~swarm.mine
            self._wake()
        return swarm.mine & chunks, swarm.fetching_bits & chunks

    def whole(self, blobs: Sequence[BlobId]) -> Sequence[BlobId]:
        """See `PeerHost.whole`."""
        return self._lender.whole(blobs)

    def issue_ticket(self, caller: PeerId) -> bytes:
        """See `PeerHost.issue_ticket`."""
        return self._ticket(caller)

    async def aclose(self) -> None:
        """End what is under way."""
        await self._tasks.aclose()

    def _look_up(self, blob: BlobId) -> None:
        self._tasks.spawn(self._find(blob), f"mows-look-up-{blob}")

    async def _find(self, blob: BlobId) -> None:
        """Opening a blob touches files: not on the loop."""
        chunk_count, mine = await asyncio.to_thread(stock, self._lender, blob)
        self.board.found(blob, chunk_count, mine)
