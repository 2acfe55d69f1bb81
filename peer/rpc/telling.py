"""The answering side of `Have`: one stream tells one other node what is here of the blobs it follows."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

from cachefs.errors import PeerProtocolError
from cachefs.types import BlobId
from peer.rpc.host import PeerHost, Subscription
from peer.rpc.inbound import Inbound, TooMany
from peer.rpc.messages import Follows, encode_batches
from peer.rpc.racing import until_first
from peer.settings import PeerTimes
from peer.values import HaveUpdate, PeerId

MAX_FOLLOWED = 4096
"""Blobs that one stream follows. A model has some tens of files; of more blobs than this nothing is told."""

MAX_STREAMS = 2048
"""Streams of all callers: twice the nodes of the largest fleet this is meant for."""

MAX_STREAMS_PER_CALLER = 4
"""One is normal. After a break the next may come before the end of the last was noticed."""


class Streams:
    """How many streams there are, and whose. On the loop."""

    def __init__(self) -> None:
        self._open: Counter[PeerId] = Counter()

    @contextlib.contextmanager
    def one_of(self, caller: PeerId) -> Iterator[None]:
        """Count one stream while it runs. Raises TooMany."""
        if self._open[caller] >= MAX_STREAMS_PER_CALLER:
            raise TooMany(f"{caller} has {self._open[caller]} streams of haves already")
        if self._open.total() >= MAX_STREAMS:
            raise TooMany(f"{MAX_STREAMS} streams of haves are open already")
        self._open[caller] += 1
        try:
            yield
        finally:
            self._open[caller] -= 1
            self._open += Counter()  # forgets callers without a stream


class Telling:
    """One stream, from the caller's introduction to its end."""

    def __init__(self, call: Inbound, host: PeerHost, times: PeerTimes, rejected: Counter[str]) -> None:
        self._call = call
        self._host = host
        self._times = times
        self._rejected = rejected
        self._followed: set[BlobId] = set()

    async def run(self, streams: Streams) -> None:
        """Until the caller has said all; normally until the call is cancelled. Raises PeerError."""
        await self._say(self._host.identity().peer_id, [])
        first = Follows.decode(await self._call.request(self._times.handshake))
        if first.identity is None:
            raise PeerProtocolError("the first FollowRequest has no identity")
        with streams.one_of(first.identity.peer_id):
            subscription = self._host.subscribe(first.identity)
            try:
                self._apply(first, subscription)
                await until_first(self._listen(subscription), self._tell(subscription))
            finally:
                subscription.close()

    async def _listen(self, subscription: Subscription) -> None:
        while (data := await self._call.read(None)) is not None:
            self._apply(Follows.decode(data), subscription)

    def _apply(self, request: Follows, subscription: Subscription) -> None:
        for blob in request.unfollow:
            self._followed.discard(blob)
            subscription.unfollow(blob)
        for blob, want in request.follow:
            if blob not in self._followed and len(self._followed) >= MAX_FOLLOWED:
                self._rejected["too_many"] += 1
                continue
            self._followed.add(blob)
            subscription.follow(blob, want)

    async def _tell(self, subscription: Subscription) -> None:
        while True:
            subscription.changed.clear()
            await self._say(None, subscription.take())
            await asyncio.sleep(self._times.announce)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._times.heartbeat - self._times.announce):
                    await subscription.changed.wait()

    async def _say(self, introduction: PeerId | None, updates: Sequence[HaveUpdate]) -> None:
        for batch in encode_batches(introduction, updates):
            await self._call.answer(batch, self._times.dead_after)
