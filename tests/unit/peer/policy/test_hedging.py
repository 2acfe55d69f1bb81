"""When a chunk is late: never while nothing is known, never in a healthy swarm, soon behind a slow peer."""

from __future__ import annotations

import math
import random

import pytest

from peer.policy.hedging import (
    FEW,
    HEALTHY_SPREAD,
    LATE_PATIENCE,
    LATE_SECONDS,
    LATE_UNKNOWN_SECONDS,
    PATIENCE,
    REMEMBERED,
    ChunkTimes,
    hedge_after_seconds,
    late_after_seconds,
)


def times(*seconds: float) -> ChunkTimes:
    result = ChunkTimes()
    for each in seconds:
        result = result.observe(each)
    return result


def test_the_last_times_count() -> None:
    result = times(9.0, *range(1, REMEMBERED + 1))
    assert result.seconds == tuple(range(1, REMEMBERED + 1))
    assert (result.median, result.p95) == (32, 61)


def test_quantiles_of_few_times() -> None:
    assert (ChunkTimes().p95, ChunkTimes().median) == (None, None)
    assert (times(3.0).p95, times(3.0).median) == (3.0, 3.0)


def test_nothing_is_late_before_some_chunks_came() -> None:
    few = times(*[0.1] * (FEW - 1))
    assert hedge_after_seconds(few) == math.inf
    assert hedge_after_seconds(few.observe(0.1)) < 1e9


def test_late_is_twice_the_p95() -> None:
    steady = times(*[0.2] * 20)
    assert hedge_after_seconds(steady) == pytest.approx(0.4)
    assert 0.39 <= hedge_after_seconds(steady) < 0.41


def test_the_floor_holds_for_fast_networks() -> None:
    assert hedge_after_seconds(times(*[0.002] * 20), floor=0.05) == 0.05


def test_a_healthy_swarm_is_not_hedged() -> None:
    """Times of chunks that share links with a random number of others: half to twice the middle."""
    rng = random.Random(3)
    healthy = times(*(0.2 * 2 ** rng.uniform(-1, 1) for _ in range(REMEMBERED)))
    assert hedge_after_seconds(healthy) > 0.4


def test_a_slow_peer_does_not_hide_behind_its_own_times() -> None:
    """One of seven at a tenth of the pace: the p95 is its time, and twice that would never hedge it."""
    mixed = times(*[0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 1.0] * 9)
    assert mixed.p95 == 1.0
    assert hedge_after_seconds(mixed) < 0.7


def test_announced_chunks_are_late_by_the_times_of_the_origin() -> None:
    origin = times(*[2.0] * FEW)
    assert late_after_seconds(origin) == LATE_PATIENCE * 2.0
    assert 5.9 <= late_after_seconds(origin) < 6.1


def test_uneven_connections_to_the_origin_are_no_reason_to_ask_it_twice() -> None:
    """From a peer, the same times would mean that it is slow."""
    uneven = times(*[0.3] * 15, *[2.5] * 2)
    assert late_after_seconds(uneven) == LATE_PATIENCE * 2.5
    assert hedge_after_seconds(uneven) == PATIENCE * HEALTHY_SPREAD * 0.3


def test_announced_chunks_have_bounds() -> None:
    least, most = LATE_SECONDS
    assert late_after_seconds(times(*[0.01] * FEW)) == least
    assert late_after_seconds(times(*[100.0] * FEW)) == most
    assert late_after_seconds(ChunkTimes()) == LATE_UNKNOWN_SECONDS
