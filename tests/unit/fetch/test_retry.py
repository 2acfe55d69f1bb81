"""Back-off and the retry budget, as pure functions of time and chance."""

from __future__ import annotations

import pytest

from cachefs.fetch.retry import Backoff, Health

BACKOFF = Backoff(base_seconds=0.1, cap_seconds=5.0)


def test_delays_double_up_to_the_cap() -> None:
    delays = [BACKOFF.delay_seconds(attempt, jitter=1.0) for attempt in range(8)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0])


def test_jitter_spreads_over_the_whole_delay() -> None:
    assert BACKOFF.delay_seconds(3, jitter=0.0) == 0.0
    assert BACKOFF.delay_seconds(3, jitter=0.5) == pytest.approx(0.4)


def test_a_thousandth_attempt_is_still_a_number() -> None:
    assert BACKOFF.delay_seconds(1000, jitter=1.0) == 5.0


def failed(health: Health, times: int, now: float = 0.0) -> Health:
    for _ in range(times):
        health = health.failed(now, BACKOFF, jitter=1.0)
    return health


def test_down_when_the_budget_is_spent() -> None:
    health = Health.full(3, 0.2)
    assert not failed(health, 2).down
    assert failed(health, 3).down


def test_probes_of_an_origin_that_is_down_come_ever_more_slowly() -> None:
    health = failed(Health.full(3, 0.2), 3, now=10.0)
    pauses = []
    for _ in range(4):
        pauses.append(health.probe_at - 10.0)
        health = failed(health, 1, now=10.0)
    assert pauses == pytest.approx([0.1, 0.1, 0.2, 0.4])


def test_one_success_brings_it_up_again() -> None:
    health = failed(Health.full(3, 0.2), 50).succeeded()
    assert not health.down
    assert health.probe_at == 0.0


def test_a_little_failure_among_much_success_never_brings_it_down() -> None:
    health = Health.full(3, 0.2)
    for _ in range(100):
        for _ in range(5):
            health = health.succeeded()
        health = failed(health, 1)
        assert not health.down
    assert health.tokens <= health.budget


def test_mostly_failing_brings_it_down() -> None:
    health = Health.full(3, 0.2)
    for _ in range(10):
        health = failed(health.succeeded(), 2)
    assert health.down
