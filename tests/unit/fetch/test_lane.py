"""One origin as the scheduler sees it."""

from __future__ import annotations

import pytest

from cachefs.errors import (
    CacheError,
    DeadlineExceeded,
    ObjectChanged,
    OriginThrottled,
    OriginTimeout,
    OriginUnavailable,
)
from cachefs.fetch.lane import Lane
from tests.unit.fetch.kit import settings


def lane(**changes: float) -> Lane:
    return Lane("oss://b", settings(initial_concurrency=8, max_concurrency=8, **changes), lambda: 0.5, now=0.0)


def request(one: Lane, error: CacheError | None, now: float = 1.0) -> None:
    one.started(7)
    one.ended(7, 0 if error else 1000, error, now, now)


def test_waiting_readers_may_go_beyond_the_limit() -> None:
    one = lane()
    assert one.slots(0.0) == (8, 2)
    for _ in range(8):
        one.started(7)
    assert one.slots(0.0) == (0, 2)
    one.started(7)
    assert one.slots(0.0) == (0, 1)
    one.started(7)
    assert one.slots(0.0) == (0, 0)


def test_everybody_waits_after_throttling_as_long_as_the_origin_said() -> None:
    one = lane()
    request(one, OriginThrottled("slow down", retry_after_seconds=4.0))
    assert one.opens_at() == pytest.approx(1.0 + 4.0 * 1.25)
    assert one.slots(5.9) == (0, 0)
    assert one.slots(6.0) == (4, 1)


def test_throttling_without_a_time_waits_a_back_off() -> None:
    one = lane(backoff_base_seconds=0.2)
    request(one, OriginThrottled("slow down"))
    assert one.opens_at() == pytest.approx(1.25)


@pytest.mark.parametrize("error", [OriginUnavailable("x"), OriginTimeout("x"), DeadlineExceeded("x")])
def test_one_probe_at_a_time_once_the_budget_is_spent(error: CacheError) -> None:
    one = lane(retry_budget=3)
    for _ in range(3):
        assert not one.down
        request(one, error)
    assert one.down
    later = one.opens_at()
    assert later > 1.0
    assert one.slots(later) == (1, 0)
    one.started(7)
    assert one.slots(later) == (0, 0)


def test_a_successful_probe_opens_it_again() -> None:
    one = lane(retry_budget=1)
    request(one, OriginUnavailable("x"))
    assert one.down
    request(one, None, now=9.0)
    assert one.slots(9.0) == (8, 2)


def test_an_answer_that_is_final_says_nothing_against_the_origin() -> None:
    one = lane(retry_budget=1)
    request(one, ObjectChanged("x"))
    assert not one.down


def test_load_shows_what_runs() -> None:
    one = lane()
    one.started(7)
    assert (one.load().limit, one.load().running, one.load().down) == (8, 1, False)


def test_memory_is_what_runs() -> None:
    one = lane()
    one.started(100)
    one.started(20)
    one.ended(100, 1000, None, 0.0, 1.0)
    assert one.memory_bytes == 20
