"""The asking side of `Fetch`: one chunk, for a fill thread that waits for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Protocol

import grpc

from cachefs.errors import PeerProtocolError, PeerUnavailable
from cachefs.types import BlobKey, Deadline
from peer.rpc.calling import Dialler, ending
from peer.rpc.messages import Fetch, decode_head, decode_piece, path
from peer.rpc.security import Security
from peer.rpc.traffic import Traffic
from peer.values import PeerId

METHOD = "Fetch"


class _Call(Protocol):
    """What gRPC returns for a call that is answered by several messages."""

    def __iter__(self) -> Iterator[bytes]: ...

    def __next__(self) -> bytes: ...

    def cancel(self) -> bool: ...


class _Line:
    """A channel and the chunks that come over it. Guarded by the lock of the `Taker`."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.channel = channel
        self.chunks = 0
        self.replaced = False

    def close_if_done(self) -> None:
        if self.replaced and not self.chunks:
            self.channel.close()


class Taker:
    """Chunks from one peer. Any thread."""

    def __init__(self, dialler: Dialler, security: Security, traffic: Traffic) -> None:
        self._dialler = dialler
        self._security = security
        self._traffic = traffic
        self._lock = threading.Lock()  # guards everything below
        self._line: _Line | None = None
        self._stamp = dialler.stamp()
        self._closed = False

    def fetch(self, key: BlobKey, chunk: int, caller: PeerId, deadline: Deadline) -> GrpcChunkStream:
        """Ask for a chunk, and block until the answer begins or the deadline is over. Raises PeerError."""
        what = f"{self._dialler.address} {METHOD}"
        request = Fetch(key.blob_id, chunk, caller).encode()
        with ending(what):
            line = self._take_line()
            try:
                method: grpc.UnaryStreamMultiCallable[bytes, bytes] = line.channel.unary_stream(path(METHOD))
                self._traffic.sent(len(request))
                call = method(request, timeout=deadline.remaining_seconds(), metadata=self._security.metadata())
                return GrpcChunkStream(call, len(key.chunk_range(chunk)), what, lambda: self._give_line(line))
            except BaseException:
                self._give_line(line)
                raise

    def close(self) -> None:
        """Every chunk that still comes fails with PeerUnavailable."""
        with self._lock:
            self._closed = True
            if self._line is not None:
                self._line.channel.close()

    def _take_line(self) -> _Line:
        with self._lock:
            if self._closed:
                raise PeerUnavailable(f"{self._dialler.address}: the link was closed")
            stamp = self._dialler.stamp()
            if self._line is None or stamp != self._stamp:
                self._replace_line()
                self._stamp = stamp
            assert self._line is not None
            self._line.chunks += 1
            return self._line

    def _replace_line(self) -> None:
        old, self._line = self._line, _Line(self._dialler.for_threads())
        if old is not None:
            old.replaced = True
            old.close_if_done()

    def _give_line(self, line: _Line) -> None:
        with self._lock:
            line.chunks -= 1
            line.close_if_done()


class GrpcChunkStream:
    """The bytes of one chunk. See `ChunkStream`; each piece is what one message brought."""

    def __init__(self, call: _Call, size_bytes: int, what: str, done: Callable[[], None]) -> None:
        """Raises PeerError and RpcError: belongs inside `ending`."""
        self._call = call
        self._what = what
        self._done = done
        head = decode_head(next(call))
        if head.size_bytes != size_bytes:
            call.cancel()
            raise PeerProtocolError(f"the chunk has {head.size_bytes} bytes there, and {size_bytes} here")
        self.digest = head.digest
        self._left_bytes = size_bytes
        self._open = True

    def __iter__(self) -> Iterator[memoryview]:
        """See `ChunkStream`."""
        with ending(self._what):
            for message in self._call:
                yield self._counted(decode_piece(message))
            if self._left_bytes:
                raise PeerProtocolError(f"the chunk ended {self._left_bytes} bytes early")

    def _counted(self, piece: bytes) -> memoryview:
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise PeerProtocolError(f"the chunk goes on for {-self._left_bytes} bytes too many")
        return memoryview(piece)

    def close(self) -> None:
        """See `ChunkStream`."""
        if self._open:
            self._open = False
            self._call.cancel()
            self._done()

    def cancel(self) -> None:
        """See `ChunkStream`."""
        self._call.cancel()
