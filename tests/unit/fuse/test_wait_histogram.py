"""Waits fall into the class of their length, each under what it was for."""

from __future__ import annotations

import pytest

from cachefs.fuse.statistics import Counters
from cachefs.fuse.wait_histogram import BOUNDS_SECONDS, NO_WAITS, WaitHistogram
from cachefs.ports import Waited


def test_before_the_first_wait_all_is_zero() -> None:
    assert WaitHistogram().snapshot() == (0, NO_WAITS)


@pytest.mark.parametrize(
    ("seconds", "place"), [(0.0005, 0), (0.001, 0), (0.0011, 1), (0.5, 3), (60.0, 5), (61.0, len(BOUNDS_SECONDS))]
)
def test_a_wait_is_in_the_first_class_that_holds_it(seconds: float, place: int) -> None:
    histogram = WaitHistogram()
    histogram.add(Waited(peers=seconds))
    reads, waits = histogram.snapshot()
    assert reads == 1
    assert waits["peers"].counts == tuple(int(number == place) for number in range(len(BOUNDS_SECONDS) + 1))
    assert waits["peers"].sum_seconds == seconds
    assert sum(sum(waits[cause].counts) for cause in waits if cause != "peers") == 0


def test_one_read_can_wait_for_several_things() -> None:
    counters = Counters()
    counters.waited(Waited(origin=2.0, disk=0.25))
    counters.waited(Waited(origin=1.0, queued=0.5))
    found = counters.snapshot()
    assert found.waited_reads == 2
    assert {cause: sum(waits.counts) for cause, waits in found.waits.items()} == {
        "origin": 2,
        "peers": 0,
        "disk": 1,
        "queued": 1,
    }
    assert found.waits["origin"].sum_seconds == 3.0
