"""The asking side of the bulk lane: chunks from peers, each over a connection that nobody else uses meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from cachefs.errors import PeerBusy, PeerError, PeerLacks, PeerUnavailable
from cachefs.ports import PIECE_BYTES
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Deadline
from peer.lane.buffers import Buffers
from peer.lane.frames import Answer, Request, Status
from peer.lane.link import Link, demand_size
from peer.lane.pool import LinkPool
from peer.settings import PeerTimes
from peer.values import Identity, PeerId

TicketSource = Callable[[Deadline], bytes]
"""Asks the peer for a ticket over gRPC. Blocks; raises PeerError."""


class LaneStream:
    """A `ChunkStream` over the bulk lane. The link is its own until `close`."""

    def __init__(self, link: Link, answer: Answer, deadline: Deadline, pool: LinkPool, buffers: Buffers) -> None:
        self.digest = answer.digest
        self._link = link
        self._left_bytes = answer.size_bytes
        self._deadline = deadline
        self._pool = pool
        self._buffers = buffers
        self._buffer = buffers.take()
        self._lock = threading.Lock()  # guards _open: a link that was put back is not shut
        self._open = True

    def __iter__(self) -> Iterator[memoryview]:
        """See `ChunkStream`. All pieces are in the one buffer."""
        while self._left_bytes:
            piece = self._buffer[: min(self._left_bytes, PIECE_BYTES)]
            self._link.fill(piece, self._deadline, more_bytes=self._left_bytes - len(piece))
            self._left_bytes -= len(piece)
            yield piece

    def close(self) -> None:
        """See `ChunkStream`. The link serves the next request if the chunk was read whole, else it is closed."""
        with self._lock:
            was_open, self._open = self._open, False
        if was_open:
            self._pool.put_back(self._link, keep=not self._left_bytes)
            self._buffers.give(self._buffer)

    def cancel(self) -> None:
        """See `ChunkStream`. After `close` the link is somebody else's, and nothing happens."""
        with self._lock:
            if self._open:
                self._link.shut()


class LaneClient:
    """Fetches chunks over the bulk lane. Blocking, for fill threads; thread-safe. `close` it."""

    def __init__(
        self, times: PeerTimes, *, per_peer_idle: int = 4, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._times = times
        self._pool = LinkPool(per_peer=per_peer_idle, idle_seconds=times.idle, clock=clock)
        self._buffers = Buffers()

    @property
    def pool(self) -> LinkPool:
        """Its connections, for whoever looks whether one was left behind."""
        return self._pool

    def lane_works(self, peer_id: PeerId, now: float) -> bool:
        """Whether to try the lane of this peer; False for 30 s after it could not be reached. Does not block."""
        return self._pool.works(peer_id, now)

    def fetch(self, peer: Identity, key: BlobKey, chunk: int, deadline: Deadline, ticket: TicketSource) -> ChunkStream:
        """Ask for a chunk and wait until its bytes begin. The caller closes what it gets.

        Raises PeerBusy, PeerLacks, PeerUnavailable (refused, reset, silent; the lane then counts as blocked if it was
        a new connection), PeerProtocolError, and what `ticket` raises. An idle connection that the peer has closed
        is replaced by a new one, once.
        """
        request = Request(key.blob_id, chunk, len(key.chunk_range(chunk)))
        link = self._pool.take(peer.peer_id)
        if link is not None:
            try:
                return self._stream(link, key, request, deadline)
            except PeerUnavailable:
                if not deadline.remaining_seconds():
                    raise
        return self._fetch_anew(peer, key, request, deadline, ticket)

    def drop(self, peer_id: PeerId) -> None:
        """The peer left: its idle connections are closed."""
        self._pool.drop(peer_id)

    def close(self) -> None:
        """Close idle connections; who reads from others gets PeerUnavailable, and so does `fetch` from now on."""
        self._pool.close()
        self._buffers.clear()

    def _fetch_anew(
        self, peer: Identity, key: BlobKey, request: Request, deadline: Deadline, ticket: TicketSource
    ) -> ChunkStream:
        shown = ticket(deadline)
        try:
            link = Link(peer, deadline, self._times.connect, self._times.silent)
            self._pool.add(link)
            return self._stream(link, key, request, deadline, shown)
        except (PeerBusy, PeerLacks):
            raise
        except PeerError:
            self._pool.block(peer.peer_id)
            raise

    def _stream(
        self, link: Link, key: BlobKey, request: Request, deadline: Deadline, ticket: bytes | None = None
    ) -> ChunkStream:
        answered = False
        try:
            answer = link.ask(request, deadline, ticket)
            answered = answer.status is not Status.OK
            _raise_refusal(answer, f"{link.peer.peer_id}: chunk {request.chunk} of {key.uri}")
            demand_size(answer, request, f"{link.peer.peer_id}: chunk {request.chunk} of {key.uri}")
            return LaneStream(link, answer, deadline, self._pool, self._buffers)
        except BaseException:
            self._pool.put_back(link, keep=answered)
            raise


def _raise_refusal(answer: Answer, name: str) -> None:
    if answer.status is Status.BUSY:
        raise PeerBusy(f"{name}: all its slots are taken")
    if answer.status is Status.LACKS:
        raise PeerLacks(f"{name}: not there")
