"""One node's side of its relation to one other: what it has is followed, questions are asked, chunks are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import grpc.aio

from cachefs.errors import PeerUnavailable
from cachefs.sharing import ChunkSet, ChunkStream, Want
from cachefs.types import BlobId, BlobKey, Deadline
from peer.rpc.calling import Asker, Dialler, ending
from peer.rpc.messages import (
    Batch,
    Follows,
    Locate,
    Located,
    decode_holds_reply,
    decode_ticket,
    encode_holds,
    encode_open_lane,
    path,
)
from peer.rpc.racing import until_first
from peer.rpc.security import Security
from peer.rpc.status import error_of
from peer.rpc.taking import Taker
from peer.rpc.traffic import Traffic
from peer.settings import PeerTimes
from peer.values import HaveUpdate, Identity

T = TypeVar("T")

FOLLOWS_PER_REQUEST = 1024

OnUpdates = Callable[[Sequence[HaveUpdate]], None]
HaveCall = grpc.aio.StreamStreamCall[bytes, bytes]


class PeerLink:
    """The connections to one run of one other node. On the loop, except `fetch`. Connects when it is first used.

    `peer` is who is expected there: another node, or another run of it, that answers at the address is PeerUnavailable.
    """

    def __init__(
        self,
        peer: Identity,
        mine: Callable[[], Identity],
        security: Security,
        times: PeerTimes,
        traffic: Traffic | None = None,
    ) -> None:
        self.peer = peer
        self._mine = mine
        self._security = security
        self._times = times
        self.traffic = traffic or Traffic()
        self._dialler = Dialler(peer.address, security, times)
        self._taker = Taker(self._dialler, security, self.traffic)
        self._channel: grpc.aio.Channel | None = None
        self._stamp = self._dialler.stamp()
        self._followed: dict[BlobId, Want] = {}
        self._unsaid: dict[BlobId, Want | None] = {}
        self._changed = asyncio.Event()
        self._closed = False

    def follow(self, blob: BlobId, want: Want) -> None:
        """Be told what the peer has of `blob`, of which this node wants so much. Again when the want changes."""
        self._followed[blob] = want
        self._say(blob, want)

    def unfollow(self, blob: BlobId) -> None:
        """Be told no more about `blob`, and want nothing of it."""
        if self._followed.pop(blob, None) is not None:
            self._say(blob, None)

    def _say(self, blob: BlobId, want: Want | None) -> None:
        self._unsaid[blob] = want
        self._changed.set()

    async def run(self, on_updates: OnUpdates) -> None:
        """Keep the stream of haves, and hand on what it brings, until it breaks: always ends in a PeerError.

        `on_updates` is called for heartbeats, too, with nothing in them. What is followed is told again from the start
        each time, so the first update about a blob is whole. Silence for `times.dead_after` is PeerUnavailable.
        """
        with ending(self._what("Have")):
            channel = await self._renewed()
            call: HaveCall = channel.stream_stream(path("Have"))(metadata=self._security.metadata())
            try:
                await self._meet(call)
                await until_first(self._ask(call), self._listen(call, on_updates))
            finally:
                call.cancel()
            raise PeerUnavailable(f"{self._what('Have')}: the peer ended the stream")

    async def _meet(self, call: HaveCall) -> None:
        """Hear first, speak then: who is refused learns why, where a message on its way would only have been lost."""
        batch = await self._batch(call, self._times.connect)
        if batch is not None and batch.peer != self.peer.peer_id:
            raise PeerUnavailable(f"{self._what('Have')}: {batch.peer} answers there, not {self.peer.peer_id}")

    async def _ask(self, call: HaveCall) -> None:
        self._unsaid = {}
        await self._write(call, _requests(self._mine(), dict(self._followed)))
        while True:
            await self._changed.wait()
            self._changed.clear()
            unsaid, self._unsaid = self._unsaid, {}
            await self._write(call, _requests(None, unsaid))

    async def _write(self, call: HaveCall, requests: Iterator[Follows]) -> None:
        for request in requests:
            data = request.encode()
            try:
                await call.write(data)
            except asyncio.InvalidStateError:  # the call has ended, which its status explains better
                raise error_of(await call.code(), await call.details(), self._what("Have")) from None
            self.traffic.sent(len(data))

    async def _listen(self, call: HaveCall, on_updates: OnUpdates) -> None:
        while (batch := await self._batch(call, self._times.dead_after)) is not None:
            on_updates(batch.updates)

    async def _batch(self, call: HaveCall, timeout_seconds: float) -> Batch | None:
        try:
            async with asyncio.timeout(timeout_seconds):
                data = await call.read()
        except TimeoutError:
            raise PeerUnavailable(f"{self._what('Have')}: silent for {timeout_seconds} s") from None
        if not isinstance(data, bytes):
            return None
        self.traffic.received(len(data))
        return Batch.decode(data)

    async def locate(self, blob: BlobId, chunks: ChunkSet, *, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        """Those of `chunks` that are there, and on their way there. Raises PeerError, after `times.connect` at last."""
        answer = await self._answer("Locate", Locate(blob, chunks, urgent).encode(), Located.decode)
        return answer.have & chunks, answer.fetching & chunks

    async def whole(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """Those of at most `MOST_HELD` blobs that are there as a whole. PeerError, after `times.connect` at last."""
        return set(blobs).intersection(await self._answer("Holds", encode_holds(blobs), decode_holds_reply))

    async def ticket(self) -> bytes:
        """What opens one connection to the peer's bulk lane. Raises PeerError, after `times.connect` at last."""
        return await self._answer("OpenLane", encode_open_lane(self._mine().peer_id), decode_ticket)

    async def _answer(self, method: str, request: bytes, decode: Callable[[bytes], T]) -> T:
        with ending(self._what(method)):
            asker = Asker(self._connected(), self._security, self.traffic)
            return decode(await asker.ask(method, request, self._times.connect))

    def fetch(self, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """Ask for a chunk over gRPC. Blocks until the answer begins: for fill threads. Raises PeerError."""
        return self._taker.fetch(key, chunk, self._mine().peer_id, deadline)

    async def aclose(self) -> None:
        """End everything that goes over this link, with PeerUnavailable. Idempotent."""
        self._closed = True
        channel, self._channel = self._channel, None
        if channel is not None:
            await channel.close()
        await asyncio.to_thread(self._taker.close)

    def _connected(self) -> grpc.aio.Channel:
        if self._closed:
            raise PeerUnavailable(f"{self.peer.address}: the link was closed")
        if self._channel is None:
            self._stamp = self._dialler.stamp()
            self._channel = self._dialler.for_loop()
        return self._channel

    async def _renewed(self) -> grpc.aio.Channel:
        """The channel; another one when this node's certificate changed since it was made."""
        if self._channel is not None and self._stamp != self._dialler.stamp():
            old, self._channel = self._channel, None
            await old.close()
        return self._connected()

    def _what(self, method: str) -> str:
        return f"{self.peer.address} {method}"


def _requests(identity: Identity | None, changes: Mapping[BlobId, Want | None]) -> Iterator[Follows]:
    """The changes in requests of bearable size; the first, which there always is, introduces."""
    blobs = list(changes.items())
    for start in range(0, max(1, len(blobs)), FOLLOWS_PER_REQUEST):
        some = blobs[start : start + FOLLOWS_PER_REQUEST]
        yield Follows(
            identity=identity if start == 0 else None,
            follow=tuple((blob, want) for blob, want in some if want is not None),
            unfollow=tuple(blob for blob, want in some if want is None),
        )
