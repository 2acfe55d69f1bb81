"""Concurrency that is found by trying, against models of origins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cachefs.fetch.limiter import EPOCH_SECONDS, REST_EPOCHS, Concurrency, landed, throttled

PER_CONNECTION = 100.0
"""Bytes per second of one connection of the model."""


def run(state: Concurrency, epochs: int, rate_of: Callable[[int], float]) -> list[int]:
    """Limits after each epoch at full use, when `rate_of(limit)` bytes per second come."""
    limits = []
    for _ in range(epochs):
        now = state.epoch.started_at + EPOCH_SECONDS
        total = rate_of(state.limit) * EPOCH_SECONDS
        for _ in range(state.limit):
            state = landed(state, int(total / state.limit), state.limit, now)
        limits.append(state.limit)
    return limits


def linear(limit: int) -> float:
    return limit * PER_CONNECTION * 1000


def capped_at(connections: int) -> Callable[[int], float]:
    return lambda limit: min(limit, connections) * PER_CONNECTION * 1000


def test_doubles_while_more_requests_bring_more_bytes() -> None:
    assert run(Concurrency.start(8, 64, 0.0), 5, linear) == [16, 32, 64, 64, 64]


def test_comes_back_to_the_last_limit_that_brought_something() -> None:
    limits = run(Concurrency.start(8, 64, 0.0), 10, capped_at(16))
    assert limits[:3] == [16, 32, 16]
    assert set(limits[3:]) == {16}


def test_tries_again_after_a_rest() -> None:
    limits = run(Concurrency.start(8, 64, 0.0), REST_EPOCHS + 4, capped_at(16))
    assert limits[REST_EPOCHS + 2] == 18
    assert limits[REST_EPOCHS + 3] == 16


def test_says_nothing_about_limits_that_were_not_in_use() -> None:
    state = Concurrency.start(8, 64, 0.0)
    for second in range(1, 20):
        for _ in range(8):
            state = landed(state, 1000, 1, float(second))
    assert state.limit == 8


def test_throttling_halves_and_closes() -> None:
    state = throttled(Concurrency.start(8, 64, 0.0), started_at=0.5, wait_seconds=2.0, now=1.0)
    assert state.limit == 4
    assert state.closed_until == 3.0


def test_answers_to_requests_from_before_the_cut_cut_nothing_again() -> None:
    state = throttled(Concurrency.start(8, 64, 0.0), started_at=0.5, wait_seconds=2.0, now=1.0)
    for _ in range(7):
        state = throttled(state, started_at=0.5, wait_seconds=2.5, now=1.1)
    assert state.limit == 4
    assert state.closed_until == pytest.approx(3.6)


def test_a_lasting_storm_goes_down_to_one_and_not_to_none() -> None:
    state = Concurrency.start(8, 64, 0.0)
    for second in range(10):
        state = throttled(state, started_at=float(second), wait_seconds=0.1, now=second + 0.5)
    assert state.limit == 1


def test_recovers_by_and_by_after_a_storm() -> None:
    state = throttled(Concurrency.start(32, 64, 0.0), started_at=0.0, wait_seconds=0.1, now=1.0)
    limits = run(state, 60, linear)
    assert limits[0] == 18, "an eighth at a time"
    assert limits == sorted(limits)
    assert limits[-1] == 64
