"""Warming objects: until sealed, sharing flights, and every way it ends."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.errors import (
    DeadlineExceeded,
    Interrupted,
    NoSpace,
    ObjectChanged,
    OriginDenied,
    OriginProtocolError,
    OriginUnavailable,
)
from cachefs.fetch import Fetcher
from cachefs.origin.memory import MemoryOrigin
from cachefs.store.crc64 import crc64
from cachefs.types import Priority
from tests.unit.fetch.kit import (
    CHUNK,
    GatedOrigin,
    Reply,
    ScriptedOrigin,
    World,
    content,
    fails,
    no_account,
    open_store,
    read,
    settings,
)
from tests.waiting import until

SIZE = 10 * CHUNK + 777
DATA = content(SIZE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    async with one.fetcher:
        yield one
    one.store.close()


def scripted(world: World) -> ScriptedOrigin:
    world.origin = ScriptedOrigin(world.memory)
    return world.origin


def gated(world: World) -> GatedOrigin:
    world.origin = GatedOrigin(world.memory)
    return world.origin


async def test_warm_ends_when_the_object_is_sealed(world: World) -> None:
    info = world.put("k", DATA)
    assert world.fetcher.resident_bytes(info) == 0
    await world.fetcher.warm(info, world.origin, account=world.account)
    status = world.store.find(info)
    assert status is not None
    assert status.sealed
    assert status.references == 0
    assert world.fetcher.resident_bytes(info) == SIZE
    assert world.fetcher.blob_id(info) == status.blob_id
    assert sum(count for _, count in world.accounted) == SIZE


async def test_what_is_warm_is_not_fetched_again(world: World) -> None:
    info = world.put("k", DATA)
    for _ in range(3):
        await world.fetcher.warm(info, world.origin, account=no_account)
    assert world.memory.read_bytes == SIZE


async def test_an_empty_object_is_warm_at_once(world: World) -> None:
    await world.fetcher.warm(world.put("empty"), world.origin, account=no_account)
    assert world.memory.read_bytes == 0


async def test_several_objects_at_once(world: World) -> None:
    infos = [world.put(f"k{i}", content(3 * CHUNK, seed=i)) for i in range(8)]
    await asyncio.gather(*[world.fetcher.warm(info, world.origin, account=no_account) for info in infos])
    assert world.memory.read_bytes == 8 * 3 * CHUNK


async def test_warm_ups_of_one_object_share_their_flights(world: World) -> None:
    info = world.put("k", DATA)
    warms = [
        world.fetcher.warm(info, world.origin, account=world.account, priority=priority)
        for priority in Priority
        for _ in range(3)
    ]
    await asyncio.gather(*warms)
    assert world.memory.read_bytes == SIZE
    assert sum(count for _, count in world.accounted) == SIZE


async def test_cancelling_one_harms_no_other(world: World) -> None:
    origin = gated(world)
    info = world.put("k", DATA)
    warms = [asyncio.create_task(world.fetcher.warm(info, origin, account=no_account)) for _ in range(3)]
    await asyncio.to_thread(origin.wait_asked)
    warms[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await warms[0]
    origin.gate.set()
    await asyncio.gather(*warms[1:])
    assert world.memory.read_bytes == SIZE


async def test_cancelling_the_only_one_starts_nothing_more(world: World) -> None:
    origin = gated(world)
    info = world.put("k", content(40 * CHUNK))
    warm = asyncio.create_task(world.fetcher.warm(info, origin, account=no_account))
    await asyncio.to_thread(origin.wait_asked, 4)
    warm.cancel()
    with pytest.raises(asyncio.CancelledError):
        await warm
    origin.gate.set()
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    assert len(origin.spans) == 4
    assert world.store.evict(world.fetcher.blob_id(info)), "no reference is left"


async def test_cancelling_while_the_blob_is_being_acquired_leaves_no_reference(world: World) -> None:
    info = world.put("k", DATA)
    for _ in range(20):
        warm = asyncio.create_task(world.fetcher.warm(info, world.origin, account=no_account))
        await asyncio.sleep(0)
        warm.cancel()
        with pytest.raises(asyncio.CancelledError):
            await warm
    await world.fetcher.warm(info, world.origin, account=no_account)
    await until(lambda: world.store.evict(world.fetcher.blob_id(info)))


@pytest.mark.expects_warnings
async def test_a_final_failure_reaches_everyone_and_is_not_remembered(world: World) -> None:
    origin = scripted(world)
    info = world.put("k", DATA)
    origin.always = fails(OriginDenied("no"))
    file = world.open(info)
    reply = Reply()
    file.read(0, 10, reply)
    ends = await asyncio.gather(
        *[world.fetcher.warm(info, origin, account=no_account) for _ in range(2)], return_exceptions=True
    )
    assert [type(end) for end in ends] == [OriginDenied, OriginDenied]
    assert await asyncio.to_thread(reply.wait) == errno.EACCES
    origin.always = None
    await world.fetcher.warm(info, origin, account=no_account)
    assert await read(file, 0, 10) == DATA[:10]
    file.close()


async def test_a_changed_object_stops_it(world: World) -> None:
    info = world.put("k", DATA)
    world.put("k", content(SIZE, seed=2))
    with pytest.raises(ObjectChanged):
        await world.fetcher.warm(info, world.origin, account=no_account)


async def test_failures_that_pass_do_not_stop_it(world: World) -> None:
    origin = scripted(world)
    origin.faults.extend([fails(OriginUnavailable("reset"))] * 12)
    await world.fetcher.warm(world.put("k", DATA), origin, account=no_account)
    assert world.fetcher.statistics().retries == 12


async def test_nothing_for_too_long_stops_it_and_says_why(tmp_path: Path) -> None:
    world = World(tmp_path, changes=settings(warm_stall_seconds=0.05))
    origin = scripted(world)
    origin.always = fails(OriginUnavailable("connection refused"))
    async with world.fetcher:
        with pytest.raises(DeadlineExceeded, match="nothing arrived for 0 s: connection refused"):
            await world.fetcher.warm(world.put("k", DATA), origin, account=no_account)
    world.store.close()


@pytest.mark.expects_warnings
async def test_an_object_that_no_tier_holds_cannot_be_warmed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.store.close()
    store = open_store(tmp_path / "small", capacity_bytes=4 * CHUNK)
    async with Fetcher(store, settings()) as fetcher:
        with pytest.raises(NoSpace):
            await fetcher.warm(world.put("k", DATA), world.origin, account=no_account)
    await world.fetcher.aclose()
    store.close()


async def test_stopping_ends_a_warm_up(world: World) -> None:
    origin = gated(world)
    warm = asyncio.create_task(world.fetcher.warm(world.put("k", DATA), origin, account=no_account))
    await asyncio.to_thread(origin.wait_asked)
    closing = asyncio.create_task(world.fetcher.aclose())
    with pytest.raises(Interrupted, match="stopping"):
        await warm
    origin.gate.set()
    await closing
    with pytest.raises(Interrupted, match="stopping"):
        await world.fetcher.warm(world.put("k", DATA), origin, account=no_account)


async def test_a_fill_thread_that_hangs_is_logged_and_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    world = World(tmp_path, changes=settings(stop_seconds=0.01))
    origin = gated(world)
    warm = asyncio.create_task(world.fetcher.warm(world.put("k", DATA), origin, account=no_account))
    await asyncio.to_thread(origin.wait_asked)
    await world.fetcher.aclose()
    assert "did not end within 0.01 s" in caplog.text
    with pytest.raises(Interrupted):
        await warm
    origin.gate.set()
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    world.store.close()


class LearningOrigin(ScriptedOrigin):
    """Tells the CRC of an object once it answered a read of it, as OSS does."""

    def __init__(self, memory: MemoryOrigin, told: int) -> None:
        super().__init__(memory)
        self.told = told

    def crc64_of(self, _info: object) -> int | None:
        return self.told if self.requests else None


async def test_a_checksum_that_comes_with_the_bytes_is_checked(world: World) -> None:
    info = world.put("k", DATA)
    await world.fetcher.warm(info, LearningOrigin(world.memory, crc64(DATA)), account=no_account)
    assert world.memory.read_bytes == SIZE


async def test_a_wrong_checksum_is_fetched_once_more_and_then_an_error(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    info = world.put("k", DATA)
    origin = LearningOrigin(world.memory, crc64(DATA) ^ 1)
    with pytest.raises(OriginProtocolError, match="twice in a row"):
        await world.fetcher.warm(info, origin, account=no_account)
    # spans that land beside the last one may be started once more before the loop hears that it was the second time
    assert 2 * SIZE <= world.memory.read_bytes < 3 * SIZE
    assert world.fetcher.statistics().corrupt_objects == 2
    assert "wrong checksum, fetching it again" in caplog.text


@pytest.mark.expects_warnings
async def test_a_blob_that_was_refused_is_stored_once_there_is_room(tmp_path: Path) -> None:
    """While a reader is served from memory, somebody else makes room."""
    memory = MemoryOrigin()
    big, other = memory.put("big", content(20 * CHUNK)), memory.put("other", content(20 * CHUNK, seed=2))
    store = open_store(tmp_path, capacity_bytes=30 * CHUNK)
    async with Fetcher(store, settings()) as fetcher:
        holder = fetcher.open(other, memory, account=no_account)
        assert await read(holder, 0, 20 * CHUNK) == content(20 * CHUNK, seed=2)
        refused = fetcher.open(big, memory, account=no_account)
        assert await read(refused, 0, 20 * CHUNK) == content(20 * CHUNK)
        assert refused.resident_bytes < 20 * CHUNK
        holder.close()
        await until(lambda: store.evict(fetcher.blob_id(other)))
        await fetcher.warm(big, memory, account=no_account)
        assert refused.backing_fd is not None
        assert await read(refused, 5 * CHUNK, 10) == content(20 * CHUNK)[5 * CHUNK : 5 * CHUNK + 10]
        refused.close()
    store.close()


async def test_statistics_at_rest(world: World) -> None:
    info = world.put("k", DATA)
    await world.fetcher.warm(info, world.origin, account=no_account)
    found = world.fetcher.statistics()
    assert found.bytes_by_source == {"origin": SIZE}
    assert (found.parked_reads, found.spans_in_flight, found.chunks_queued) == (0, 0, 0)
    assert found.in_flight_memory_bytes == 0
    assert found.origins["memory://bucket"].running == 0


async def test_a_memory_budget_below_four_chunks_is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    with pytest.raises(ValueError, match="too little for chunks"):
        Fetcher(store, settings(memory_bytes=3 * CHUNK))
    store.close()
