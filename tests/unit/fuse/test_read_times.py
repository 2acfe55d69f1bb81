"""The account of reads: union, sum, and where one load ends and the next begins."""

from __future__ import annotations

import pytest

from cachefs.fuse.read_times import PAUSE_SECONDS, LoadTimes, ReadTimes
from cachefs.ports import Waited


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_the_first_read_there_is_nothing(clock: Clock) -> None:
    assert ReadTimes(clock).snapshot() == LoadTimes()


def test_two_reads_at_a_time_are_busy_once(clock: Clock) -> None:
    times = ReadTimes(clock)
    times.arrived()
    clock.now += 1
    times.arrived()
    clock.now += 2
    times.answered()
    clock.now += 3
    times.answered()
    clock.now += 4  # the reader's own
    assert times.snapshot() == LoadTimes(elapsed_seconds=6.0, busy_seconds=6.0, read_seconds=8.0)
    times.arrived()
    clock.now += 1
    times.answered()
    assert times.snapshot() == LoadTimes(elapsed_seconds=11.0, busy_seconds=7.0, read_seconds=9.0)


def test_a_read_in_hand_counts_until_now(clock: Clock) -> None:
    times = ReadTimes(clock)
    times.arrived()
    clock.now += 100
    assert times.snapshot().busy_seconds == 100.0
    clock.now += 1
    times.answered()
    assert times.snapshot().busy_seconds == 101.0


def test_what_is_told_is_added_up(clock: Clock) -> None:
    times = ReadTimes(clock)
    times.arrived()
    times.waited(Waited(origin=1.0, queued=2.0))
    times.waited(Waited(peers=3.0, disk=4.0))
    times.read_file(0.5)
    found = times.snapshot()
    assert (found.waited, found.file_seconds) == (Waited(1.0, 3.0, 4.0, 2.0), 0.5)
    assert found.waited.total == 10.0


def test_after_a_pause_another_load_begins(clock: Clock) -> None:
    times = ReadTimes(clock)
    times.arrived()
    clock.now += 5
    times.waited(Waited(origin=5.0))
    times.answered()
    clock.now += PAUSE_SECONDS + 1
    assert times.snapshot().elapsed_seconds == 5.0, "the last one is told until then"
    times.arrived()
    clock.now += 1
    times.answered()
    assert times.snapshot() == LoadTimes(elapsed_seconds=1.0, busy_seconds=1.0, read_seconds=1.0)
