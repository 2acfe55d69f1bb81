"""What nodes tell each other: the control connections of the daemon, without gRPC.

`Telling` is the side that says what it has, as `peer.rpc.telling` does: at once when there is something new, but not
more often than the interval. `SimLink` is the side that listens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from benchmarks.simulate.surroundings import Surroundings
from cachefs.errors import PeerUnavailable
from cachefs.sharing import ChunkSet, ChunkStream, Want
from cachefs.types import BlobId, BlobKey, Deadline
from peer.exchange import Host
from peer.swarm import Follower
from peer.values import HaveUpdate, Identity


class _Bell(asyncio.Event):
    """Calls when it is set: one timer for all who listen to a node, in place of a task for each."""

    def __init__(self, ring: Callable[[], None]) -> None:
        super().__init__()
        self._ring = ring

    def set(self) -> None:
        super().set()
        self._ring()


class Telling:
    """One node's word to all who listen. They get it at the same time."""

    def __init__(self, around: Surroundings, host: Host) -> None:
        self._around = around
        self._host = host
        self._listeners: dict[Follower, SimLink] = {}
        self._planned = False
        self._told_at = float("-inf")
        self._alive = True

    def __len__(self) -> int:
        return len(self._listeners)

    def open(self, caller: Identity, link: SimLink) -> Follower:
        """Somebody listens from now on. Raises PeerUnavailable when the node is dead."""
        if not self._alive:
            raise PeerUnavailable("connection refused")
        follower = self._host.subscribe(caller)
        assert isinstance(follower, Follower)
        follower.changed = _Bell(self._plan)
        self._listeners[follower] = link
        return follower

    def close(self, follower: Follower) -> None:
        """Not any more."""
        if self._listeners.pop(follower, None) is not None:
            follower.close()

    def die(self) -> None:
        """All connections break."""
        self._alive = False
        for link in self._listeners.values():
            self._around.later(self._around.peer_way, link.broke)
        self._listeners.clear()

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            wait = self._told_at + self._around.times.announce - self._around.now
            self._around.later(max(0.0, wait), self._tell)

    def _tell(self) -> None:
        self._planned = False
        self._told_at = self._around.now
        news = []
        for follower, link in self._listeners.items():
            if follower.changed.is_set():
                follower.changed.clear()
                news.append((link, follower.take()))
        for _, updates in news:
            for update in updates:
                self._around.ledger.announced(update.have.bit_count(), update.fetching.bit_count(), update.chunk_count)
        self._around.later(self._around.peer_way, _deliver, news)


def _deliver(news: Sequence[tuple[SimLink, Sequence[HaveUpdate]]]) -> None:
    for link, updates in news:
        link.hear(updates)


class SimLink:
    """Implements `peer.exchange.Link` for what is simulated: being told, and no chunks."""

    def __init__(self, around: Surroundings, mine: Identity, theirs: Telling) -> None:
        self._around = around
        self._mine = mine
        self._theirs = theirs
        self._follows: dict[BlobId, Want] = {}
        self._follower: Follower | None = None
        self._on_updates: Callable[[Sequence[HaveUpdate]], None] | None = None
        self._end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, on_updates: Callable[[Sequence[HaveUpdate]], None]) -> None:
        """See `Link.run`."""
        await asyncio.sleep(self._around.latencies.peer_round_trip)
        self._follower = self._theirs.open(self._mine, self)
        self._on_updates = on_updates
        for blob, want in self._follows.items():
            self._follower.follow(blob, want)
        await self._end

    def follow(self, blob: BlobId, want: Want) -> None:
        """See `Link.follow`."""
        self._around.ledger.followed(1)
        self._follows[blob] = want
        if self._follower is not None:
            self._around.later(self._around.peer_way, self._say, blob, want)

    def unfollow(self, blob: BlobId) -> None:
        """See `Link.unfollow`."""
        self._follows.pop(blob, None)
        if self._follower is not None:
            self._around.later(self._around.peer_way, self._say, blob, None)

    def _say(self, blob: BlobId, want: Want | None) -> None:
        if self._follower is None:
            return
        if want is None:
            self._follower.unfollow(blob)
        else:
            self._follower.follow(blob, want)

    def hear(self, updates: Sequence[HaveUpdate]) -> None:
        """The peer said something."""
        if self._on_updates is not None:
            self._on_updates(updates)

    def broke(self) -> None:
        """The peer is dead."""
        if not self._end.done():
            self._end.set_exception(PeerUnavailable("connection reset"))

    async def locate(self, blob: BlobId, chunks: ChunkSet, *, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        """Nobody reads, so nobody asks an owner to hurry."""
        raise NotImplementedError

    async def whole(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """Nobody evicts, so nobody asks what others have."""
        raise NotImplementedError

    async def ticket(self) -> bytes:
        """Chunks are flows."""
        raise NotImplementedError

    def fetch(self, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """Chunks are flows."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """See `Link.aclose`."""
        self._on_updates = None
        if self._follower is not None:
            self._theirs.close(self._follower)
            self._follower = None
