"""The ways to a peer, with what a plan of faults (`cachefs.faults`) does to them. Each class wraps one seam."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from cachefs.errors import PeerBusy, PeerError, PeerLacks, PeerProtocolError, PeerRefused, PeerUnavailable
from cachefs.faults import Faults
from cachefs.sharing import ChunkSet, ChunkStream, Want
from cachefs.types import BlobId, BlobKey, Deadline
from peer.exchange.neighbour import Link
from peer.exchange.transport import Lane
from peer.lane.client import TicketSource
from peer.membership.prober import HelloReply, Prober
from peer.values import Address, HaveUpdate, Identity, PeerId

HELLO: Final = "peer.hello"
HAVE: Final = "peer.have"
"""The stream of what a peer has: its beginning, and each message (which fails, but is never slow: it is heard on the
loop)."""
LOCATE: Final = "peer.locate"
HOLDS: Final = "peer.holds"
TICKET: Final = "peer.ticket"
LANE_CONNECT: Final = "peer.lane_connect"
LANE_CHUNK: Final = "peer.lane_chunk"
"""Each piece of a chunk over the bulk lane."""
GRPC_CHUNK: Final = "peer.grpc_chunk"
"""Each piece of a chunk over gRPC."""

LABELS = frozenset({HELLO, HAVE, LOCATE, HOLDS, TICKET, LANE_CONNECT, LANE_CHUNK, GRPC_CHUNK})

_MEANINGS: dict[int, Callable[[str], PeerError]] = {
    errno.EBUSY: PeerBusy,
    errno.ENOENT: PeerLacks,
    errno.EACCES: PeerRefused,
    errno.EPROTO: PeerProtocolError,
}
"""What a peer would say in place of a system call's error; PeerUnavailable for all others."""


class FaultyProber:
    """Implements `Prober` over another one."""

    def __init__(self, prober: Prober, faults: Faults) -> None:
        self._prober = prober
        self._faults = faults

    async def hello(self, address: Address, timeout_seconds: float) -> HelloReply:
        """See `Prober`."""
        with _as_peer_error(HELLO):
            await self._faults.check_on_loop(HELLO)
        return await self._prober.hello(address, timeout_seconds)


class FaultyLink:
    """Implements `Link` over another one."""

    def __init__(self, link: Link, faults: Faults) -> None:
        self._link = link
        self._faults = faults

    async def run(self, on_updates: Callable[[Sequence[HaveUpdate]], None]) -> None:
        """See `Link`."""

        def hear(updates: Sequence[HaveUpdate]) -> None:
            fault = self._faults.draw(HAVE)
            if fault and fault.kind == "errno":
                raise _peer_error(HAVE, fault.as_error())
            on_updates(updates)

        with _as_peer_error(HAVE):
            await self._faults.check_on_loop(HAVE)
        await self._link.run(hear)

    def follow(self, blob: BlobId, want: Want) -> None:
        """See `Link`."""
        self._link.follow(blob, want)

    def unfollow(self, blob: BlobId) -> None:
        """See `Link`."""
        self._link.unfollow(blob)

    async def locate(self, blob: BlobId, chunks: ChunkSet, *, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        """See `Link`."""
        with _as_peer_error(LOCATE):
            await self._faults.check_on_loop(LOCATE)
        return await self._link.locate(blob, chunks, urgent=urgent)

    async def whole(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """See `Link`."""
        with _as_peer_error(HOLDS):
            await self._faults.check_on_loop(HOLDS)
        return await self._link.whole(blobs)

    async def ticket(self) -> bytes:
        """See `Link`."""
        with _as_peer_error(TICKET):
            await self._faults.check_on_loop(TICKET)
        return await self._link.ticket()

    def fetch(self, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """See `Link`."""
        return _FaultyStream(self._link.fetch(key, chunk, deadline), self._faults, GRPC_CHUNK)

    async def aclose(self) -> None:
        """See `Link`."""
        await self._link.aclose()


class FaultyLane:
    """Implements `Lane` over another one."""

    def __init__(self, lane: Lane, faults: Faults) -> None:
        self._lane = lane
        self._faults = faults

    def lane_works(self, peer_id: PeerId, now: float) -> bool:
        """See `Lane`."""
        return self._lane.lane_works(peer_id, now)

    def fetch(self, peer: Identity, key: BlobKey, chunk: int, deadline: Deadline, ticket: TicketSource) -> ChunkStream:
        """See `Lane`."""
        with _as_peer_error(LANE_CONNECT):
            self._faults.check(LANE_CONNECT)
        return _FaultyStream(self._lane.fetch(peer, key, chunk, deadline, ticket), self._faults, LANE_CHUNK)


class _FaultyStream:
    """Implements `ChunkStream` over another one. A short piece is the last: the connection ended."""

    def __init__(self, stream: ChunkStream, faults: Faults, label: str) -> None:
        self.digest = stream.digest
        self._stream = stream
        self._faults = faults
        self._label = label

    def __iter__(self) -> Iterator[memoryview]:
        """See `ChunkStream`."""
        for piece in self._stream:
            with _as_peer_error(self._label):
                size_bytes = self._faults.cut(self._label, len(piece))
            yield piece[:size_bytes]
            if size_bytes < len(piece):
                raise PeerProtocolError(f"{self._label}: planned fault: the chunk ended early")

    def close(self) -> None:
        """See `ChunkStream`."""
        self._stream.close()

    def cancel(self) -> None:
        """See `ChunkStream`."""
        self._stream.cancel()


@contextlib.contextmanager
def _as_peer_error(label: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _peer_error(label, error) from error


def _peer_error(label: str, error: OSError) -> PeerError:
    kind = _MEANINGS.get(error.errno or 0, PeerUnavailable)
    return kind(f"{label}: planned fault: {error.strerror}")
