"""The directory of swarms in Redis, for fleets in which not everybody asks everybody.

A node writes only what changed since it wrote last; that it lives is one key with a lifetime, renewed twice a
heartbeat. So a node at rest costs Redis one small command per renewal, however many blobs it holds, and one that dies
is gone from all swarms when its key expires. Keys:

::

    mows:1:shares:<peer id>   string, expires   the node lives, and what it published is valid
    mows:1:swarm:<blob id>    hash, expires     peer id -> none | part | all (how much it wants of what it lacks)

What a dead node left in a swarm is removed by whoever asks for it. When a node finds its own key gone (Redis came back
empty, or this node was stalled), it writes everything again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import RedisError

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.membership.outage import Outage
from peer.membership.redis_client import KEYS, connect, without_password
from peer.membership.registry import LEAVE_SECONDS, lifetime_seconds, renewal_seconds
from peer.settings import PeerTimes
from peer.tasks import Tasks
from peer.values import PeerId

SWARM_SECONDS = 3600
"""How long a swarm is kept that nobody writes to. Longer than the time between two complete publications."""

REPUBLISH_SECONDS = 1200.0
"""Everything is written again so often, which keeps the swarms of quiet nodes."""

REMEMBERED = 1024
"""Answers kept, for when Redis is gone."""

SWARM = """
local swarm = {}
local said = redis.call('HGETALL', KEYS[1])
for i = 1, #said, 2 do
    if redis.call('EXISTS', ARGV[1] .. said[i]) == 1 then
        swarm[#swarm + 1] = said[i]
        swarm[#swarm + 1] = said[i + 1]
    else
        redis.call('HDEL', KEYS[1], said[i])
    end
end
return swarm
"""
"""The living members of a swarm. KEYS: the swarm. ARGV: prefix of the keys that say who lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryStatistics:
    """What the directory cost so far. Bytes are those of keys and values, without Redis' framing."""

    ok: bool
    last_error: str
    """Redis' failure; empty while it answers."""
    published: int
    """Blobs that others can find this node by now."""
    messages: int
    """Calls to Redis."""
    sent_bytes: int
    received_bytes: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write so that Redis says what this node says."""

    put: Mapping[BlobId, Want]
    drop: Collection[BlobId]


def changes(said: Mapping[BlobId, Want], wants: Mapping[BlobId, Want], *, doubtful: bool) -> Changes:
    """From what was `said` to what this node `wants` now; `doubtful` is whether Redis may have lost what was said."""
    put = {blob: want for blob, want in wants.items() if doubtful or said.get(blob) is not want}
    return Changes(put, said.keys() - wants.keys())


class RedisDirectory:
    """A directory that any number of nodes share. Of one loop. `everyone` is asked when Redis cannot be."""

    def __init__(
        self,
        url: str,
        mine: PeerId,
        times: PeerTimes,
        everyone: Callable[[], Collection[PeerId]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._mine, self._times, self._everyone, self._clock = mine, times, everyone, clock
        self._client = connect(url)
        self._swarm_script = self._client.register_script(SWARM)
        self._outage = Outage(f"the directory of swarms at {without_password(url)}", "the swarms known stay in use")
        self._wants: dict[BlobId, Want] = {}
        self._said: dict[BlobId, Want] = {}
        """What Redis may have of ours."""
        self._doubtful = True
        """Whether Redis may lack some of `_said`."""
        self._complete_at = self._clock()
        self._answers: dict[BlobId, dict[PeerId, Want]] = {}
        self._writing = asyncio.Lock()
        """Guards `_said` and `_doubtful`: two writes that cross would leave Redis with the older one."""
        self._tasks = Tasks()
        self._renews = False
        self._messages = self._sent_bytes = self._received_bytes = 0

    async def publish(self, wants: Mapping[BlobId, Want]) -> None:
        """Say what this node holds or wants. Returns when Redis knows it, or is found to be gone."""
        self._wants = dict(wants)
        if not self._renews:
            self._renews = True
            self._tasks.spawn(self._renew(), "mows-directory")
        await self._write()

    async def swarm(self, blob: BlobId) -> Mapping[PeerId, Want]:
        """The others in the swarm of `blob`. With Redis gone: as it answered last, or everyone."""
        try:
            answer: list[str] = await self._swarm_script(keys=[_swarm(blob)], args=[_shares("")])
        except (RedisError, OSError) as error:
            self._outage.failed(str(error))
            return self._answers.get(blob) or dict.fromkeys(self._everyone(), Want.NONE)
        self._outage.worked()
        self._count(len(_swarm(blob)), sum(map(len, answer)))
        others = {PeerId(peer): want(text) for peer, text in zip(answer[::2], answer[1::2], strict=True)}
        others.pop(self._mine, None)
        self._remember(blob, others)
        return others

    async def aclose(self) -> None:
        """Take back what was published, unless Redis is gone: then it expires."""
        await self._tasks.aclose()
        if self._renews:
            self._renews = False
            with suppress(RedisError, OSError):
                async with asyncio.timeout(LEAVE_SECONDS):
                    await self._client.delete(_shares(self._mine))
        await self._client.aclose()

    def statistics(self) -> DirectoryStatistics:
        """Numbers for the metrics and for whoever plans a large fleet."""
        return DirectoryStatistics(
            ok=not self._outage.error,
            last_error=self._outage.error,
            published=len(self._said),
            messages=self._messages,
            sent_bytes=self._sent_bytes,
            received_bytes=self._received_bytes,
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(renewal_seconds(self._times))
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            if self._clock() - self._complete_at >= REPUBLISH_SECONDS:
                self._doubtful = True
            try:
                if not await self._write_changes():  # our key was gone: so may be what we said
                    self._doubtful = True
                    await self._write_changes()
            except (RedisError, OSError) as error:
                self._doubtful = True
                self._outage.failed(str(error))
            else:
                self._outage.worked()

    async def _write_changes(self) -> bool:
        """Renew our key and write what changed, in one transaction. Whether the key was still there."""
        wants, complete = dict(self._wants), self._doubtful
        todo = changes(self._said, wants, doubtful=complete)
        self._said |= wants  # until the answer is here, Redis may have either
        lifetime = round(lifetime_seconds(self._times) * 1000)
        async with self._client.pipeline(transaction=True) as pipe:
            pipe.set(_shares(self._mine), "1", px=lifetime, get=True)
            for blob, want in todo.put.items():
                pipe.hset(_swarm(blob), self._mine, want.name.lower())
                pipe.expire(_swarm(blob), SWARM_SECONDS)
            for blob in todo.drop:
                pipe.hdel(_swarm(blob), self._mine)
            before, *_ = await pipe.execute()
        self._said, self._doubtful = wants, False
        if complete:
            self._complete_at = self._clock()
        written = len(todo.put) + len(todo.drop)
        self._count(len(_shares(self._mine)) + written * (len(_swarm(BlobId("")) + self._mine) + 36), 1 + written)
        return before is not None

    def _remember(self, blob: BlobId, answer: dict[PeerId, Want]) -> None:
        self._answers.pop(blob, None)
        self._answers[blob] = answer
        if len(self._answers) > REMEMBERED:
            del self._answers[next(iter(self._answers))]

    def _count(self, sent_bytes: int, received_bytes: int) -> None:
        self._messages += 1
        self._sent_bytes += sent_bytes
        self._received_bytes += received_bytes


def want(text: str) -> Want:
    """As it is written in Redis; NONE for a word of a newer MoWS: it holds something, at least."""
    return Want.__members__.get(text.upper(), Want.NONE)


def _shares(peer: str) -> str:
    return f"{KEYS}:shares:{peer}"


def _swarm(blob: BlobId) -> str:
    return f"{KEYS}:swarm:{blob}"
