"""Filling the cache with several files at once."""

from __future__ import annotations

import asyncio

import pytest

from cachefs.errors import NoSpace, OriginUnavailable
from cachefs.origin.memory import MemoryOrigin
from cachefs.types import ObjectInfo
from mows.filling import MEASURABLE_BYTES, Filler
from mows.progress import ByteCounter
from tests.unit.mows.twins import Clock, MemoryCache


def put(origin: MemoryOrigin, count: int, size_bytes: int = 10) -> list[ObjectInfo]:
    return [origin.put(f"{index}", bytes(size_bytes)) for index in range(count)]


async def test_files_begin_in_order_and_only_so_many_at_once() -> None:
    cache, origin = MemoryCache(), MemoryOrigin()
    files = put(origin, 5)
    cache.gate.clear()
    task = asyncio.create_task(Filler(cache, files_at_once=2).fill(files, origin, ByteCounter().add))
    await cache.started.get()
    await cache.started.get()
    assert cache.warming == ["0", "1"]
    cache.gate.set()
    await task
    assert cache.warming == ["0", "1", "2", "3", "4"]
    assert len(cache.resident) == 5


async def test_the_first_failure_stops_the_others_and_is_what_is_raised() -> None:
    cache, origin = MemoryCache(), MemoryOrigin()
    files = put(origin, 5)
    cache.failures["1"] = OriginUnavailable("refused")
    with pytest.raises(OriginUnavailable, match="refused"):
        await Filler(cache, files_at_once=1).fill(files, origin, ByteCounter().add)
    assert cache.warming == ["0", "1"]


async def test_a_bug_is_not_hidden_behind_an_expected_failure() -> None:
    cache, origin = MemoryCache(), MemoryOrigin()
    files = put(origin, 2)
    cache.failures |= {"0": NoSpace("full"), "1": ZeroDivisionError("a bug")}
    with pytest.raises(ZeroDivisionError):
        await Filler(cache, files_at_once=2).fill(files, origin, ByteCounter().add)


async def test_cancelling_a_fill_cancels_its_files() -> None:
    cache, origin = MemoryCache(), MemoryOrigin()
    cache.gate.clear()
    task = asyncio.create_task(Filler(cache, files_at_once=2).fill(put(origin, 3), origin, ByteCounter().add))
    await cache.started.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cache.resident == set()


async def test_the_rate_of_an_origin_is_that_of_the_last_large_fill() -> None:
    clock, origin = Clock(), MemoryOrigin()

    class SlowCache(MemoryCache):
        async def warm(self, *args: object, **kwargs: object) -> None:
            clock.now += 2.0
            await super().warm(*args, **kwargs)  # type: ignore[arg-type] # passed on as they came

    filler = Filler(SlowCache(), files_at_once=1, clock=clock)
    assert filler.rate(origin.authority) is None
    await filler.fill(put(origin, 1, 100), origin, ByteCounter().add)
    assert filler.rate(origin.authority) is None
    await filler.fill([origin.put("large", bytes(MEASURABLE_BYTES))], origin, ByteCounter().add)
    assert filler.rate(origin.authority) == pytest.approx(MEASURABLE_BYTES / 2.0)


async def test_nothing_to_fill() -> None:
    await Filler(MemoryCache(), files_at_once=4).fill([], MemoryOrigin(), ByteCounter().add)
