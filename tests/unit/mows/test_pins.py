"""The store's pins follow the leases."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from cachefs.errors import InTheWay, NoSpace
from cachefs.origin.memory import MemoryOrigin
from cachefs.types import ObjectInfo
from mows.pins import Pins
from tests.unit.mows.twins import Clock, MemoryCache

ORIGIN = MemoryOrigin()
A, B = ORIGIN.put("a", b"a"), ORIGIN.put("b", b"b")


@pytest.fixture
def cache() -> MemoryCache:
    return MemoryCache()


@pytest.fixture
def now() -> Clock:
    return Clock()


def make(cache: MemoryCache, path: Path, now: Clock) -> Pins:
    return Pins(cache, path / "leases.json", now=now, monotonic=now)


def pinned(cache: MemoryCache) -> set[str]:
    return {cache.blobs_by_id[blob_id].uri[-1] for blob_id in cache.pinned}


async def test_a_blob_stays_pinned_until_its_last_lease_ends(tmp_path: Path, cache: MemoryCache, now: Clock) -> None:
    pins = make(cache, tmp_path, now)
    await pins.hold_objects("prewarm:1", [A, B], 10.0)
    await pins.hold_objects("mount:m", [B], 20.0)
    assert pins.until([cache.blob_id(A), cache.blob_id(B)]) == now.now + 10.0
    now.now += 10.0
    await pins.expire()
    assert pinned(cache) == {"b"}
    await pins.release("mount:m")
    assert pinned(cache) == set()


async def test_an_expired_lease_ends_by_itself(tmp_path: Path, cache: MemoryCache) -> None:
    pins = Pins(cache, tmp_path / "leases.json")
    task = asyncio.create_task(pins.run())
    await pins.hold_objects("prewarm:1", [A], 0.01)
    assert pinned(cache) == {"a"}
    await cache.unpinned.wait()
    assert pinned(cache) == set()
    task.cancel()
    await asyncio.wait({task})


async def test_what_is_pinned_by_hand_outlives_leases(tmp_path: Path, cache: MemoryCache, now: Clock) -> None:
    pins = make(cache, tmp_path, now)
    await pins.hold_objects("prewarm:1", [A, B], 10.0)
    await pins.pin([cache.blob_id(A)])
    now.now += 11.0
    await pins.expire()
    assert pinned(cache) == {"a"}
    assert pins.until([cache.blob_id(A)]) is None
    await pins.unpin([cache.blob_id(A)])
    assert pinned(cache) == set()


async def test_leases_survive_a_restart_for_what_is_still_there(tmp_path: Path, cache: MemoryCache, now: Clock) -> None:
    first = make(cache, tmp_path, now)
    await first.hold_objects("prewarm:1", [A, B], 10.0)
    await first.hold_objects("prewarm:2", [A], 5.0)
    cache.pinned.clear()
    del cache.blobs_by_id[cache.blob_id(B)]
    now.now += 6.0

    second = make(cache, tmp_path, now)
    await second.restore()
    assert pinned(cache) == {"a"}
    assert second.until([cache.blob_id(A)]) == now.now + 4.0
    assert second.until([cache.blob_id(B)]) is None


async def test_a_damaged_file_costs_the_leases_not_the_start(
    tmp_path: Path, cache: MemoryCache, now: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "leases.json").write_text("{")
    pins = make(cache, tmp_path, now)
    await pins.restore()
    assert "leases lost" in caplog.text
    await pins.hold_objects("prewarm:1", [A], 10.0)
    assert pinned(cache) == {"a"}


async def test_a_file_that_cannot_be_written_costs_only_the_restart(
    tmp_path: Path, cache: MemoryCache, now: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    pins = make(cache, tmp_path / "missing", now)
    await pins.hold_objects("prewarm:1", [A], 10.0)
    assert pinned(cache) == {"a"}
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_no_room_for_one_object_leaves_nothing_pinned_for_the_others(
    tmp_path: Path, cache: MemoryCache, now: Clock
) -> None:
    pins = make(cache, tmp_path, now)
    await pins.hold_objects("mount:m", [A], 10.0)
    c: ObjectInfo = ORIGIN.put("c", b"c")
    cache.failures["pin b"] = NoSpace("b is larger than every tier")
    with pytest.raises(NoSpace):
        await pins.hold_objects("prewarm:1", [A, c, B], 10.0)
    assert pinned(cache) == {"a"}


async def test_what_does_not_fit_is_refused_and_what_holds_the_rest_is_named(
    tmp_path: Path, cache: MemoryCache, now: Clock
) -> None:
    pins = make(cache, tmp_path, now)
    await pins.hold_objects("prewarm:one", [A], 60.0)
    async with pins.room_for("prewarm:three", [A]):
        ways = [
            InTheWay(cache.blob_id(A), A.uri, 1, ("open", "leases", "prewarm:three")),
            InTheWay("z", "z", 1, ("open",)),
        ]
        cache.failures["admit"] = NoSpace("full", in_the_way=ways)
        with pytest.raises(NoSpace) as caught:
            async with pins.room_for("prewarm:two", [B]):
                pytest.fail("there is no room")
        assert [way.held_by for way in caught.value.in_the_way] == [("open", "prewarm:one", "prewarm:three"), ("open",)]
        assert cache.promised == {"prewarm:three": [A]}
    assert cache.promised == {}


async def test_a_promise_ends_with_its_block_however_that_ends(tmp_path: Path, cache: MemoryCache, now: Clock) -> None:
    pins = make(cache, tmp_path, now)
    with pytest.raises(NoSpace, match="the disk is full"):
        async with pins.room_for("mount:m", [A]):
            raise NoSpace("the disk is full")
    assert cache.promised == {}


async def test_what_is_told_of_a_lease_is_wall_time(tmp_path: Path, cache: MemoryCache) -> None:
    wall, monotonic = Clock(1_000_000.0), Clock(50.0)
    pins = Pins(cache, tmp_path / "leases.json", now=wall, monotonic=monotonic)
    await pins.hold_objects("prewarm:1", [A], 60.0)
    assert pins.until([cache.blob_id(A)]) == 1_000_060.0
    monotonic.now, wall.now = 51.0, 1_000_001.2  # the clocks drift apart, and what is told stays
    assert pins.until([cache.blob_id(A)]) == 1_000_060.0


@pytest.mark.parametrize(
    ("off", "left"), [(30.0, 30.0), (-86_400.0, 60.0), (-10.0, 60.0), (60.0, None), (86_400.0, None)]
)
async def test_a_restart_ends_no_lease_later_than_it_was_given_for(
    tmp_path: Path, cache: MemoryCache, off: float, left: float | None
) -> None:
    first = Pins(cache, tmp_path / "leases.json", now=Clock(1_000_000.0), monotonic=Clock(50.0))
    await first.hold_objects("prewarm:1", [A], 60.0)
    wall = Clock(1_000_000.0 + off)
    second = Pins(cache, tmp_path / "leases.json", now=wall, monotonic=Clock(7.0))
    await second.restore()
    assert second.until([cache.blob_id(A)]) == (None if left is None else wall.now + left)
