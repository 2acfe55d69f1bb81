"""Percent, rates and time left."""

from __future__ import annotations

import threading

import pytest

from mows.progress import ByteCounter, ByteCounts, FillStart, bytes_per_second, seconds_left


def test_percent_of_an_empty_whole_is_complete() -> None:
    assert ByteCounts().percent == 100.0
    assert ByteCounts(total=8, local=2).percent == 25.0


def test_missing_is_never_negative() -> None:
    assert ByteCounts(total=8, local=2).missing == 6
    assert ByteCounts(total=8, local=9).missing == 0


def test_the_rate_is_unknown_until_something_landed() -> None:
    start = FillStart(at_seconds=10.0, local_bytes=100)
    assert bytes_per_second(start, 10.0, 200) is None
    assert bytes_per_second(start, 12.0, 100) is None
    assert bytes_per_second(start, 12.0, 300) == pytest.approx(100.0)


def test_time_left() -> None:
    assert seconds_left(0, None) == 0.0
    assert seconds_left(100, None) is None
    assert seconds_left(100, 50.0) == pytest.approx(2.0)


def test_many_threads_lose_no_bytes() -> None:
    counter = ByteCounter()

    def add() -> None:
        for _ in range(1000):
            counter.add("origin", 1)
            counter.add("peer", 2)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.counts(total=7, local=5) == ByteCounts(total=7, local=5, from_peers=8000, from_origin=4000)
