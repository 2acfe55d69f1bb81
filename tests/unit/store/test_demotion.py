"""Cold blobs move from an earlier tier to a later one, ahead of need, and nobody notices."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from cachefs.store import Store, TierSettings
from cachefs.store.oscalls import Calls, Step
from tests.unit.store.world import (
    BOOT,
    CHUNK_BYTES,
    blob_id_of,
    content,
    described_with_crc,
    fill,
    occupied_bytes,
    put,
)

P = ParamSpec("P")
R = TypeVar("R")

DATA = [content(3 * CHUNK_BYTES, seed) for seed in range(8)]
INFOS = [described_with_crc(f"o{number}", data) for number, data in enumerate(DATA)]
BLOB_BYTES = 3 * CHUNK_BYTES + 3 * 4096
"""What one occupies on ext4: data, index, meta.json, directory; tmpfs counts no directories."""
CAPACITY_BYTES = 256 << 10
"""Four of these blobs leave less than a quarter free, three leave a quarter."""
ROOMY_BYTES = 16 << 20


class Interrupted(Calls):
    """Something happens after the next call of one step, once."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.event: Callable[[], object] | None = None
        self.happened = False

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        result = call(*args, **kwargs)
        if step is self.step and (event := self.event):
            self.event, self.happened = None, True
            event()
        return result


class Place:
    """Two tiers and what is in them."""

    def __init__(self, root: Path, *, below_bytes: int = ROOMY_BYTES, calls: Calls | None = None) -> None:
        self.paths = [root / "memory", root / "disk"]
        self.calls = calls
        self.capacities = [CAPACITY_BYTES, below_bytes]
        self.clock = count(1)
        self.store = self.open()

    def open(self) -> Store:
        tiers = [TierSettings(path, capacity) for path, capacity in zip(self.paths, self.capacities, strict=True)]
        self.store = Store(
            tiers,
            chunk_bytes=CHUNK_BYTES,
            calls=self.calls,
            clock=lambda: 100.0 * next(self.clock),
            boot_id=BOOT,
        )
        return self.store

    def fill(self, *numbers: int) -> None:
        for number in numbers:
            fill(self.store, INFOS[number], DATA[number])

    def tiers(self) -> list[set[int]]:
        """The numbers of the objects in each tier."""
        found: list[set[int]] = [set(), set()]
        for number, info in enumerate(INFOS):
            if status := self.store.find(info):
                found[self.paths.index(status.tier)].add(number)
        return found

    def demote_all(self, go_on: Callable[[], bool] = lambda: True) -> int:
        moved = 0
        while self.store.demote(go_on):
            moved += 1
        return moved

    def assert_counted(self) -> None:
        for tier in self.store.statistics().tiers:
            assert (tier.used_bytes, tier.reserved_bytes) == (occupied_bytes(tier.path), 0)
            assert tier.used_bytes <= tier.capacity_bytes

    def assert_whole(self, *numbers: int) -> None:
        for number in numbers:
            blob = self.store.acquire(INFOS[number])
            assert blob.sealed
            assert os.pread(blob.fd, len(DATA[number]) + 1, 0) == DATA[number]
            blob.release()
            assert self.store.verify(blob.blob_id) == []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.store.close()


def test_the_coldest_moves_until_a_quarter_is_free(place: Place) -> None:
    place.fill(0, 1, 2, 3)
    assert place.tiers() == [{0, 1, 2, 3}, set()]
    moved = place.demote_all()
    assert moved in (1, 2)
    assert place.tiers() == [set(range(moved, 4)), set(range(moved))]
    statistics = place.store.statistics()
    assert CAPACITY_BYTES - statistics.tiers[0].used_bytes >= CAPACITY_BYTES // 4
    assert statistics.demotions == moved
    assert statistics.demoted_bytes >= moved * len(DATA[0])
    assert statistics.evictions == 0
    place.assert_counted()
    place.assert_whole(0, 1, 2, 3)


def test_nothing_moves_while_there_is_room(place: Place) -> None:
    place.fill(0, 1)
    assert not place.store.demote()
    assert place.tiers() == [{0, 1}, set()]


def test_a_later_reservation_finds_room_in_memory(place: Place) -> None:
    place.fill(0, 1, 2, 3)
    place.demote_all()
    place.fill(4)
    assert 4 in place.tiers()[0]
    assert place.store.statistics().evictions == 0


def test_what_is_open_pinned_or_incomplete_stays(place: Place) -> None:
    place.fill(0, 1, 2)
    opened = place.store.acquire(INFOS[0])
    place.store.pin(blob_id_of(INFOS[1]))
    partial = place.store.acquire(INFOS[3])
    put(partial, 0, DATA[3])
    partial.release()
    assert place.demote_all() <= 1
    assert place.tiers()[0] >= {0, 1, 3}
    opened.release()


def test_the_time_of_use_survives_and_a_pin_that_comes_meanwhile(place: Place) -> None:
    place.fill(0, 1, 2, 3)
    before = place.store.find(INFOS[0])
    assert before is not None

    def pin() -> bool:
        place.store.pin(before.blob_id, "lease")
        return True

    assert place.store.demote(pin)
    after = place.store.find(INFOS[0])
    assert after is not None
    assert (after.tier, after.pinned, after.last_used) == (place.paths[1], True, before.last_used)
    assert not place.store.evict(after.blob_id)
    place.store.close()
    place.open()
    restarted = place.store.find(INFOS[0])
    assert restarted is not None
    assert (restarted.tier, restarted.last_used) == (place.paths[1], before.last_used)


def opened_for_good(place: Place) -> None:
    place.store.acquire(INFOS[0])


def opened_for_a_moment(place: Place) -> None:
    place.store.acquire(INFOS[0]).release()


def evicted(place: Place) -> None:
    assert place.store.evict(blob_id_of(INFOS[0]))


def evicted_and_fetched_again(place: Place) -> None:
    evicted(place)
    place.fill(0)


@pytest.mark.parametrize("event", [opened_for_good, opened_for_a_moment, evicted, evicted_and_fetched_again])
@pytest.mark.parametrize("passed", [0, 1, 2, 3], ids=["before it is copied", "first write", "last wait", "measured"])
def test_what_is_used_meanwhile_stays_what_it_is(tmp_path: Path, event: Callable[[Place], None], passed: int) -> None:
    calls = Interrupted([Step.DIRECTORY, Step.COPY, Step.FLUSH, Step.DATA_MEASURE][passed])
    place = Place(tmp_path, calls=calls)
    place.fill(0, 1, 2, 3)
    calls.event = lambda: event(place)
    assert not place.store.demote()
    assert calls.happened
    assert 0 not in place.tiers()[1]
    assert occupied_bytes(place.paths[1]) == 0
    place.assert_counted()
    place.assert_whole(*place.tiers()[0])
    place.store.close()


def test_it_ends_when_it_is_told_to(place: Place) -> None:
    place.fill(0, 1, 2, 3)
    assert not place.store.demote(lambda: False)
    assert place.tiers() == [{0, 1, 2, 3}, set()]
    place.assert_counted()


def test_only_what_is_colder_makes_room_below(tmp_path: Path) -> None:
    place = Place(tmp_path, below_bytes=BLOB_BYTES + 8192)
    place.fill(0, 1, 2, 3)
    while place.demote_all():
        pass
    assert place.tiers()[1] == {0}
    place.fill(4, 5)
    assert place.demote_all()  # 1 or 2 is warmer than 0, which goes
    assert 0 not in place.tiers()[0] | place.tiers()[1]
    place.assert_counted()
    place.store.close()
