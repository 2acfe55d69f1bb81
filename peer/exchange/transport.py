"""How a chunk comes from a peer: over the bulk lane where both sides have one, else over gRPC. On fill threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from typing import Protocol

from cachefs.errors import PeerUnavailable
from cachefs.sharing import ChunkStream
from cachefs.types import BlobId, BlobKey, Deadline
from peer.exchange.neighbour import Link, Neighbour
from peer.lane.client import TicketSource
from peer.values import Identity, PeerId


class Opener(Protocol):
    """Opens what was assigned."""

    def open(self, neighbour: Neighbour, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """Blocks until the answer begins. Raises PeerError."""
        ...


class Lane(Protocol):
    """The bulk lanes to all peers (`peer.lane.client.LaneClient`)."""

    def lane_works(self, peer_id: PeerId, now: float) -> bool:
        """Whether to try the lane of this peer. Does not block."""
        ...

    def fetch(self, peer: Identity, key: BlobKey, chunk: int, deadline: Deadline, ticket: TicketSource) -> ChunkStream:
        """Ask for a chunk. Blocks until its bytes begin. Raises PeerError."""
        ...


class Transport:
    """Implements `Opener`. `lane` is None where only gRPC may be used. Any thread."""

    def __init__(self, lane: Lane | None, loop: asyncio.AbstractEventLoop) -> None:
        self._lane = lane
        self._loop = loop

    def open(self, neighbour: Neighbour, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """See `Opener.open`. A lane that turns out to be blocked is left alone for a while; gRPC brings the chunk."""
        link = neighbour.link
        if link is None:
            raise PeerUnavailable(f"peer {neighbour.identity.node_id}: the connection to it is gone")
        lane = self._lane
        if lane is not None and neighbour.identity.lane_port and lane.lane_works(neighbour.peer_id, time.monotonic()):
            try:
                stream = lane.fetch(neighbour.identity, key, chunk, deadline, lambda end: self._ticket(link, end))
            except PeerUnavailable:
                if lane.lane_works(neighbour.peer_id, time.monotonic()):
                    raise
            else:
                neighbour.lane = "bulk"
                return stream
        stream = link.fetch(key, chunk, deadline)
        neighbour.lane = "grpc"
        return stream

    def _ticket(self, link: Link, deadline: Deadline) -> bytes:
        asked = asyncio.run_coroutine_threadsafe(link.ticket(), self._loop)
        try:
            return asked.result(deadline.remaining_seconds())
        except (TimeoutError, concurrent.futures.CancelledError) as error:
            asked.cancel()
            raise PeerUnavailable("no ticket for the bulk lane came in time") from error


class RemoteChunk:
    """Implements `sharing.PeerChunk`: one request to one peer."""

    def __init__(self, opener: Opener, neighbour: Neighbour, key: BlobKey, chunk: int, started_at: float) -> None:
        self.blob: BlobId = key.blob_id
        self.chunk = chunk
        self.peer = neighbour.identity.node_id
        self.peer_id: PeerId = neighbour.peer_id
        self.neighbour = neighbour
        self.started_at = started_at
        self.raced = False
        """Whether another peer is asked as well."""
        self._opener = opener
        self._key = key
        self._stream: ChunkStream | None = None
        self._cancelled = False

    def open(self, deadline: Deadline) -> ChunkStream:
        """See `PeerChunk.open`."""
        self._stream = stream = self._opener.open(self.neighbour, self._key, self.chunk, deadline)
        if self._cancelled:
            stream.cancel()
        return stream

    def cancel(self) -> None:
        """The peer is gone: whoever waits for its bytes fails at once. On the loop."""
        self._cancelled = True
        if self._stream is not None:
            self._stream.cancel()
