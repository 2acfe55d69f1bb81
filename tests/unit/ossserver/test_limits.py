"""Rates, with a clock of the test's own."""

import pytest

from benchmarks.ossserver.limits import Bandwidth, TokenBucket


def test_a_reserve_and_then_the_rate() -> None:
    bucket = TokenBucket(per_second=100, burst=50)
    assert bucket.take(50, now=0.0) == 0.0
    assert bucket.take(100, now=0.0) == pytest.approx(1.0)
    assert bucket.take(100, now=0.0) == pytest.approx(2.0)


def test_waiting_pays_the_debt_off() -> None:
    bucket = TokenBucket(per_second=100, burst=10)
    bucket.take(110, now=0.0)
    assert bucket.take(0, now=0.5) == pytest.approx(0.5)
    assert bucket.take(0, now=1.0) == 0.0


def test_the_reserve_does_not_grow_without_end() -> None:
    bucket = TokenBucket(per_second=100, burst=10)
    bucket.take(0, now=0.0)
    assert bucket.take(20, now=1000.0) == pytest.approx(0.1)


def test_trying_takes_nothing_when_there_is_not_enough() -> None:
    bucket = TokenBucket(per_second=1, burst=1)
    assert bucket.try_take(1, now=0.0)
    assert not bucket.try_take(1, now=0.5)
    assert bucket.try_take(1, now=1.0)


def test_no_bandwidth_limit() -> None:
    bandwidth = Bandwidth()
    assert bandwidth.piece_bytes is None
    assert bandwidth.wait_seconds("a", 10**9, now=0.0) == 0.0


def test_clients_have_a_limit_each_and_share_the_total() -> None:
    bandwidth = Bandwidth(total=1000.0, per_client=100.0)
    assert bandwidth.wait_seconds("a", 102, now=0.0) == pytest.approx(1.0)
    assert bandwidth.wait_seconds("b", 102, now=0.0) == pytest.approx(1.0)
    totals = Bandwidth(total=1000.0)
    assert totals.wait_seconds("a", 1020, now=0.0) == pytest.approx(1.0)
    assert totals.wait_seconds("b", 1000, now=0.0) == pytest.approx(2.0)


def test_pieces_are_short_in_time() -> None:
    assert Bandwidth(total=100_000_000).piece_bytes == 2_000_000
    assert Bandwidth(total=10).piece_bytes == 4096
