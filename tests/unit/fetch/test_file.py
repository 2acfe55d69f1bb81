"""Reading an open file: at once, later, to the end, beyond it, and after it was closed."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Origin
from cachefs.types import ObjectInfo
from tests.unit.fetch.kit import (
    CHUNK,
    GatedOrigin,
    Reply,
    ScriptedOrigin,
    World,
    content,
    data_files,
    in_threads,
    no_account,
    read,
    resident,
    settings,
)
from tests.waiting import until

DATA = content(10 * CHUNK + 777)


def brought(world: World, nbytes: int) -> bool:
    return world.memory.read_bytes >= nbytes


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    async with one.fetcher:
        yield one
    one.store.close()


@pytest.mark.parametrize(
    ("offset", "size"),
    [
        (0, 1),
        (0, CHUNK),
        (CHUNK - 1, 2),
        (100, 3 * CHUNK),
        (0, len(DATA)),
        (len(DATA) - 5, 100),
        (len(DATA), 10),
        (len(DATA) + 1000, 10),
        (5, 0),
    ],
)
async def test_cold_and_resident_reads_give_the_bytes(world: World, offset: int, size: int) -> None:
    file = world.open(world.put("k.dat", DATA))
    for _ in range(2):
        assert await read(file, offset, size) == DATA[offset : offset + size]
    file.close()


async def test_a_resident_read_is_answered_on_the_calling_thread(world: World) -> None:
    info = world.put("k.dat", DATA)
    await world.fetcher.warm(info, world.origin, account=no_account)
    file = world.open(info)
    reply = Reply()
    file.read(10, 20, reply)
    assert reply.answers == [DATA[10:30]], "the loop did not run in between"
    file.close()


async def test_a_missing_read_does_not_block(world: World) -> None:
    gated = GatedOrigin(world.memory)
    world.origin = gated
    file = world.open(world.put("k.dat", DATA))
    reply = Reply()
    file.read(0, 10, reply)
    assert reply.answers == []
    await asyncio.to_thread(gated.wait_asked)
    assert world.fetcher.statistics().parked_reads == 1
    gated.gate.set()
    assert await asyncio.to_thread(reply.wait) == DATA[:10]
    assert world.fetcher.statistics().waits == 1
    file.close()


async def test_only_what_is_read_of_an_ordinary_file_is_fetched(world: World) -> None:
    file = world.open(world.put("k.dat", DATA))
    await read(file, 6 * CHUNK, 10)
    await read(file, 2 * CHUNK, 10)
    assert file.resident_bytes == 2 * CHUNK
    assert world.accounted == [("origin", CHUNK)] * 2
    file.close()


async def test_backing_descriptor_comes_with_the_last_chunk(world: World) -> None:
    file = world.open(world.put("k.dat", DATA))
    complete = []
    for chunk in reversed(range(11)):
        complete.append(file.backing_fd is not None)
        await read(file, chunk * CHUNK, CHUNK)
    assert not any(complete)
    assert file.backing_fd is not None
    assert file.resident_bytes == len(DATA)
    file.close()


async def test_an_empty_object_is_complete_at_once(world: World) -> None:
    file = world.open(world.put("empty", b""))
    assert await read(file, 0, 10) == b""
    assert file.backing_fd is not None
    file.close()


async def test_a_waiting_reader_goes_before_a_warm_up_and_nothing_comes_twice(tmp_path: Path) -> None:
    memory = MemoryOrigin()
    gated = GatedOrigin(memory)
    # one request at a time, and one more for a reader
    world = World(tmp_path, gated, settings(initial_concurrency=1, max_concurrency=1))
    world.memory = memory
    async with world.fetcher:
        info = world.put("k.dat", DATA)
        warm = asyncio.create_task(world.fetcher.warm(info, gated, account=no_account))
        await asyncio.to_thread(gated.wait_asked)
        assert (gated.spans[0].start, gated.spans[0].stop) == (0, 4 * CHUNK)
        file = world.open(info)
        reply = Reply()
        file.read(5 * CHUNK, 10, reply)  # behind the span under way
        await asyncio.to_thread(gated.wait_asked)
        assert (gated.spans[1].start, gated.spans[1].stop) == (5 * CHUNK, 6 * CHUNK)
        gated.gate.set()
        assert await asyncio.to_thread(reply.wait) == DATA[5 * CHUNK : 5 * CHUNK + 10]
        await warm
        assert memory.read_bytes == len(DATA)
        file.close()
    world.store.close()


async def test_a_weight_file_is_fetched_whole_once_touched_and_then_its_followers(world: World) -> None:
    shards = [world.put(f"model-{i}.safetensors", content(6 * CHUNK, seed=i + 2)) for i in range(3)]
    file = world.open(shards[0], following=shards[1:])
    await read(file, 5 * CHUNK, 10)
    await resident(world, shards)
    assert world.memory.read_bytes == 3 * 6 * CHUNK
    file.close()


async def test_a_look_at_the_header_of_a_weight_file_fetches_one_chunk(world: World) -> None:
    info = world.put("model.safetensors", DATA)
    file = world.open(info)
    for offset in range(0, CHUNK // 2, 4096):
        await read(file, offset, 4096)
    file.close()
    await world.fetcher.aclose()
    assert world.memory.read_bytes == CHUNK


async def test_followers_are_read_ahead_no_further_than_the_setting(tmp_path: Path) -> None:
    world = World(tmp_path, changes=settings(read_ahead_bytes=8 * CHUNK))
    async with world.fetcher:
        shards = [world.put(f"model-{i}.safetensors", content(6 * CHUNK, seed=i + 2)) for i in range(4)]
        file = world.open(shards[0], following=shards[1:])
        await read(file, 5 * CHUNK, 10)
        await resident(world, shards[:2])
        await until(lambda: world.fetcher.resident_bytes(shards[2]) >= 2 * CHUNK)
        await world.fetcher.aclose()
        assert world.memory.read_bytes == (6 + 8) * CHUNK
        file.close()
    world.store.close()


async def test_what_was_read_ahead_is_still_there_when_its_turn_comes(tmp_path: Path) -> None:
    """A model larger than the tier, read file after file: each byte comes once.

    In the order of use, shards read ahead and not yet read would be the first to go for those read ahead next.
    """
    world = World(tmp_path, capacity_bytes=48 * CHUNK)
    async with world.fetcher:
        shards = [world.put(f"model-{i}.safetensors", content(8 * CHUNK, seed=i + 2)) for i in range(8)]
        for number, info in enumerate(shards):
            file = world.open(info, following=shards[number + 1 :])
            assert await read(file, 0, 8 * CHUNK) == content(8 * CHUNK, seed=number + 2)
            ahead_bytes = min(8, number + 1 + 3) * 8 * CHUNK  # half of the tier: three shards
            await until(partial(brought, world, ahead_bytes))
            await asyncio.sleep(0.1)  # time to go too far; where it is too short, the test only sees less
            file.close()
        await world.fetcher.aclose()
        assert world.memory.read_bytes == 8 * 8 * CHUNK
    world.store.close()


async def test_not_knowing_what_follows_costs_the_read_ahead_only(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def following() -> list[ObjectInfo]:
        raise ZeroDivisionError("a bug")

    info = world.put("model.safetensors", DATA)
    file = world.fetcher.open(info, world.origin, account=no_account, following=following)
    assert await read(file, 5 * CHUNK, 10) == DATA[5 * CHUNK : 5 * CHUNK + 10]
    await until(lambda: "cannot tell what follows" in caplog.text)
    assert await read(file, 0, 10) == DATA[:10]
    file.close()


async def test_opening_a_complete_shard_reads_ahead_into_the_next(world: World) -> None:
    shards = [world.put(f"model-{i}.safetensors", content(3 * CHUNK, seed=i + 2)) for i in range(2)]
    await world.fetcher.warm(shards[0], world.origin, account=no_account)
    file = world.open(shards[0], following=shards[1:])  # from here on the kernel reads without us
    await resident(world, shards)
    file.close()


async def test_several_readers_of_one_file_get_the_right_bytes_and_one_copy_is_fetched(world: World) -> None:
    info = world.put("model.safetensors", DATA)
    files = [world.open(info) for _ in range(8)]
    failures: list[str] = []

    def whole(shift: int) -> None:
        for step in range(11):
            offset = (step + shift) % 11 * CHUNK
            reply = Reply()
            files[shift].read(offset, CHUNK, reply)
            if reply.wait() != DATA[offset : offset + CHUNK]:
                failures.append(f"reader {shift} at {offset}")

    await in_threads(8, whole)
    assert failures == []
    assert world.memory.read_bytes == len(DATA)
    assert sum(count for _, count in world.accounted) == len(DATA)
    for file in files:
        file.close()


async def test_closing_drops_what_was_not_started_of_the_read_ahead(tmp_path: Path) -> None:
    gated = GatedOrigin(MemoryOrigin())
    world = World(tmp_path, gated, settings(initial_concurrency=1, max_concurrency=1))
    world.memory = gated.inner  # type: ignore[assignment]
    async with world.fetcher:
        info = world.put("model.safetensors", content(40 * CHUNK))
        file = world.open(info)
        reply = Reply()
        file.read(20 * CHUNK, 10, reply)
        await asyncio.to_thread(gated.wait_asked)
        file.close()
        gated.gate.set()
        await asyncio.to_thread(reply.wait)
        await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
        assert world.fetcher.resident_bytes(info) <= 5 * CHUNK
    world.store.close()


async def test_a_closed_file_lets_its_blob_be_evicted(world: World) -> None:
    info = world.put("k.dat", DATA)
    file = world.open(info)
    await read(file, 0, len(DATA))
    assert not world.store.evict(file.blob_id)
    file.close()
    file.close()
    await until(lambda: world.store.evict(file.blob_id))


@pytest.mark.expects_warnings
async def test_chunks_that_an_operator_verified_away_are_fetched_again(world: World) -> None:
    info = world.put("k.dat", DATA)
    file = world.open(info)
    await read(file, 0, len(DATA))
    (damaged,) = (tmp for tmp in data_files(world.store))
    with damaged.open("r+b") as raw:
        raw.seek(3 * CHUNK)
        raw.write(b"flipped")
    assert world.store.verify(file.blob_id) == [3]
    assert await read(file, 3 * CHUNK, 100) == DATA[3 * CHUNK : 3 * CHUNK + 100]
    assert world.memory.read_bytes == len(DATA) + CHUNK
    file.close()


async def test_a_fetcher_that_stopped_gives_what_is_here_and_eio_for_the_rest(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    file = world.open(world.put("k.dat", DATA))
    await read(file, 0, 10)
    await world.fetcher.aclose()
    assert await read(file, 5, 5) == DATA[5:10]
    assert await read(file, 2 * CHUNK, 5) == errno.EIO
    assert "stopping" in caplog.text
    file.close()


async def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    world = World(tmp_path)
    async with world.fetcher:
        await world.fetcher.warm(world.put("k.dat", DATA), world.origin, account=no_account)
        assert any(thread.name.startswith("mows-fill") for thread in threading.enumerate())
    assert set(threading.enumerate()) == before
    world.store.close()


def test_kit_origins_are_origins() -> None:
    assert isinstance(ScriptedOrigin(MemoryOrigin()), Origin)
    assert isinstance(GatedOrigin(MemoryOrigin()), Origin)
