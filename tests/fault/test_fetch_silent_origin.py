"""An origin that falls silent while it is asked: readers get what they wait for from peers, and do not wait for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from cachefs.errors import Interrupted, OriginUnavailable, PeerBusy, PeerUnavailable
from cachefs.fetch import shared
from cachefs.types import BlobKey
from tests.unit.fetch.kit import CHUNK, LIMIT_SECONDS, Reply, ScriptedOrigin, content
from tests.unit.fetch.peers_kit import (
    EVERYTHING,
    PeerStream,
    Script,
    SharedWorld,
    breaking,
    halting,
    refusing,
    whole,
)
from tests.waiting import until

SIZE = 10 * CHUNK + 777
DATA = content(SIZE)
WANTED = 3
AT = slice(WANTED * CHUNK, WANTED * CHUNK + 10)


class Silence:
    """An answer of the origin that stands still after `first_bytes`, until the test lets it speak, or ends it."""

    def __init__(self, first_bytes: int) -> None:
        self.begun = threading.Event()
        self.speaks = threading.Event()
        self.error: Exception | None = None
        self._first_bytes = first_bytes

    def __call__(self, pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        data = b"".join(map(bytes, pieces))
        if self._first_bytes:
            yield memoryview(data)[: self._first_bytes]
        self.begun.set()
        assert self.speaks.wait(LIMIT_SECONDS)
        if self.error:
            raise self.error
        yield memoryview(data)[self._first_bytes :]


class Stage:
    """A reader waits for chunk 3, which the origin was asked for; no peer had it then."""

    def __init__(self, world: SharedWorld, first_bytes: int = 0) -> None:
        self.world = world
        self.key: BlobKey = world.key("k", DATA)
        self.silence = Silence(first_bytes)
        self.origin = world.origin = ScriptedOrigin(world.memory)
        self.origin.faults.append(self.silence)
        self.exchange = world.exchange
        self.exchange.allowed = 1 << WANTED
        self.file = world.open(world.memory._objects["k"][0])
        self.reply = Reply()

    async def begin(self) -> None:
        self.file.read(AT.start, 10, self.reply)
        assert await asyncio.to_thread(self.silence.begun.wait, LIMIT_SECONDS)
        self.exchange.allowed = 0

    def announce(self, *scripts: Script) -> None:
        """Peers say that they have the chunk by now; they answer by `scripts`, then healthily."""
        self.exchange.scripts.extend(scripts)
        self.exchange.holds(self.key, DATA, 1 << WANTED)
        self.exchange.wake()

    async def asked(self, count: int = 1) -> PeerStream:
        """What the last of so many peers sends, once it has begun to."""
        await until(lambda: len(self.exchange.given) == count and self.exchange.given[-1].stream is not None)
        stream = self.exchange.given[-1].stream
        assert isinstance(stream, PeerStream)
        return stream

    async def answered(self) -> None:
        assert await asyncio.to_thread(self.reply.wait) == DATA[AT]

    async def over(self) -> None:
        """Nothing is under way any more."""
        await until(lambda: self.world.fetcher.statistics().spans_in_flight == 0)
        assert self.world.fetcher.statistics().in_flight_memory_bytes == 0

    def close(self) -> None:
        self.silence.speaks.set()
        self.file.close()
        assert self.world.fetcher.statistics().failed_reads == 0


@pytest.fixture(params=[0, CHUNK // 2], ids=["before its answer", "in mid-chunk"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path, impatient: None) -> AsyncIterator[Stage]:
    world = SharedWorld(tmp_path)
    async with world.fetcher:
        one = Stage(world, request.param)
        await one.begin()
        yield one
        one.close()
    world.store.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the origin did not send by the time somebody looks is late."""
    monkeypatch.setattr(shared, "SILENT_SECONDS", 0.0)


async def test_a_reader_gets_from_a_peer_what_the_origin_does_not_send(stage: Stage) -> None:
    stage.announce()
    await stage.answered()
    assert stage.world.accounted == [("peer", CHUNK)]
    assert stage.exchange.endings() == [None]
    assert stage.world.fetcher.statistics().spans_in_flight == 1, "the origin may still answer"


async def test_what_the_origin_sends_after_all_is_kept(stage: Stage) -> None:
    stage.announce()
    await stage.answered()
    stage.silence.speaks.set()
    await stage.over()
    assert sorted(stage.world.accounted) == [("origin", CHUNK), ("peer", CHUNK)]
    assert stage.exchange.published == [WANTED], "what is in memory only is nothing to give to others"


async def test_that_the_origin_is_given_up_later_harms_nobody(stage: Stage) -> None:
    stage.announce()
    await stage.answered()
    stage.silence.error = OriginUnavailable("no route")
    stage.silence.speaks.set()
    await stage.over()
    assert stage.world.fetcher.statistics().retries == 1
    stage.reply = Reply()
    stage.file.read(AT.start, 10, stage.reply)
    await stage.answered()
    assert set(stage.world.accounted) == {("peer", CHUNK)}, "from memory, or from the peer once more: for the store"


async def test_nobody_is_asked_twice_at_a_time(stage: Stage) -> None:
    stage.announce(halting)
    first = await stage.asked()
    await asyncio.to_thread(first.waits.wait, LIMIT_SECONDS)
    rounds = len(stage.exchange.demands)
    stage.exchange.wake()
    await until(lambda: len(stage.exchange.demands) > rounds)
    assert len(stage.exchange.given) == 1
    first.gate.set()
    await stage.answered()


@pytest.mark.parametrize(
    "script",
    [
        refusing(PeerBusy("all slots taken")),
        breaking(PeerUnavailable("reset")),
        lambda data: PeerStream([data], bytes(16)),
    ],
    ids=["busy", "reset", "wrong hash"],
)
async def test_a_peer_that_fails_too_is_followed_by_another(stage: Stage, script: Script) -> None:
    stage.announce(script)
    await stage.answered()
    failed, done = stage.exchange.endings()
    assert failed is not None
    assert done is None


async def test_the_origin_comes_first_and_the_peer_is_called_off(stage: Stage) -> None:
    stage.announce(halting)
    late = await stage.asked()
    stage.silence.speaks.set()
    await stage.answered()
    await stage.over()
    assert late.cancelled
    assert stage.exchange.endings() == [Interrupted]
    assert stage.world.accounted == [("origin", CHUNK)]


async def test_a_second_peer_wins_over_a_first_that_is_silent_too(stage: Stage) -> None:
    stage.announce(halting)
    first = await stage.asked()
    await asyncio.to_thread(first.waits.wait, LIMIT_SECONDS)
    stage.exchange.hedge(stage.key.blob_id, WANTED, whole)
    await stage.answered()
    assert first.cancelled
    assert stage.world.accounted == [("peer", CHUNK)]
    assert stage.exchange.published == []


async def test_a_blob_closed_meanwhile_leaves_nothing(stage: Stage) -> None:
    stage.announce(halting)
    late = await stage.asked()
    stage.file.close()
    stage.silence.speaks.set()
    late.gate.set()
    await stage.over()
    stage.reply.wait()
    await until(lambda: stage.world.store.evict(stage.key.blob_id))


async def test_what_no_read_waits_for_is_left_to_the_origin(tmp_path: Path, impatient: None) -> None:
    world = SharedWorld(tmp_path)
    async with world.fetcher:
        stage = Stage(world)
        warming = asyncio.create_task(
            world.fetcher.warm(world.memory._objects["k"][0], world.origin, account=world.account)
        )
        assert await asyncio.to_thread(stage.silence.begun.wait, LIMIT_SECONDS)
        stage.exchange.allowed = EVERYTHING
        rounds = len(stage.exchange.demands)
        stage.announce()
        await until(lambda: len(stage.exchange.demands) > rounds)
        assert stage.exchange.given == []
        stage.close()
        await warming
    world.store.close()
