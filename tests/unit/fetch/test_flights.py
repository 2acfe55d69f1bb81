"""One flight per chunk."""

from __future__ import annotations

import pytest

from cachefs.fetch.flights import Flights, Mark, next_run, only
from cachefs.store import ChunkState

MISSING, PRESENT, SUSPECT = ChunkState.MISSING, ChunkState.PRESENT, ChunkState.SUSPECT


def test_marks_say_what_the_store_says() -> None:
    states = [MISSING, PRESENT, SUSPECT]
    assert Flights(3, states.__getitem__).marks == bytes([Mark.FETCH, Mark.IDLE, Mark.VERIFY])


def test_a_run_is_of_one_kind_and_inside_the_bounds() -> None:
    marks = bytes([0, 1, 1, 1, 2, 2, 3, 1])
    assert next_run(marks, range(8)) == range(1, 4)
    assert next_run(marks, range(2, 8)) == range(2, 4)
    assert next_run(marks, range(4, 5)) == range(4, 5)
    assert next_run(marks, range(5, 8)) == range(5, 6)
    assert not next_run(marks, range(6, 7))


def test_a_chunk_in_flight_cannot_be_started_again() -> None:
    flights = Flights(4, lambda _: MISSING)
    flights.begin(range(1, 3))
    flights.want_all()
    assert flights.startable() == 2
    with pytest.raises(RuntimeError, match="chunk 2 cannot be started: FLYING"):
        flights.begin(range(2, 4))


def test_what_landed_is_idle_and_what_did_not_can_be_started() -> None:
    states = [MISSING] * 4
    flights = Flights(4, states.__getitem__)
    flights.begin(range(4))
    states[0] = states[1] = PRESENT
    flights.end(range(4))
    assert flights.marks == bytes([Mark.IDLE, Mark.IDLE, Mark.FETCH, Mark.FETCH])


def test_wanting_a_chunk_looks_at_the_store_again() -> None:
    states = [PRESENT]
    flights = Flights(1, states.__getitem__)
    assert flights.startable() == 0
    states[0] = MISSING  # an operator verified it away
    flights.want(0)
    assert flights.startable() == 1


def test_a_pause_keeps_a_chunk_from_being_started_until_it_is_over() -> None:
    flights = Flights(2, lambda _: MISSING)
    flights.pause(0, until=5.0)
    flights.want_all()
    assert flights.startable() == 1
    assert flights.next_resume() == 5.0
    flights.resume(4.9)
    assert flights.startable() == 1
    flights.resume(5.0)
    assert flights.startable() == 2
    assert flights.next_resume() is None


def test_failures_are_counted_until_the_chunk_lands() -> None:
    states = [MISSING]
    flights = Flights(1, states.__getitem__)
    for attempt in range(3):
        flights.begin(range(1))
        flights.end(range(1))
        assert flights.attempts(0) == attempt
        flights.pause(0, until=0.0)
        flights.resume(1.0)
    flights.begin(range(1))
    states[0] = PRESENT
    flights.end(range(1))
    assert flights.attempts(0) == 0


def test_quiet_is_when_nothing_will_happen_by_itself() -> None:
    states = [MISSING]
    flights = Flights(1, states.__getitem__)
    assert not flights.quiet
    flights.begin(range(1))
    assert not flights.quiet
    flights.end(range(1))
    flights.pause(0, until=1.0)
    assert not flights.quiet
    states[0] = PRESENT
    flights.resume(1.0)
    assert flights.quiet


def test_what_may_be_fetched_as_a_set() -> None:
    states = [MISSING, PRESENT, SUSPECT, MISSING, MISSING]
    flights = Flights(5, states.__getitem__)
    assert flights.fetchable == 0b11001
    flights.begin(range(3, 4))
    flights.pause(0, until=5.0)
    assert flights.fetchable == 0b10000
    assert Flights(0, states.__getitem__).fetchable == 0


def test_only_some_may_be_fetched_and_what_is_suspect_be_verified_all_the_same() -> None:
    marks = bytes([Mark.FETCH, Mark.FETCH, Mark.VERIFY, Mark.FLYING, Mark.PAUSED, Mark.IDLE, Mark.FETCH])
    narrowed = only(marks, 0b1000010)
    assert narrowed == bytes([Mark.IDLE, Mark.FETCH, Mark.VERIFY, Mark.FLYING, Mark.PAUSED, Mark.IDLE, Mark.FETCH])
    assert Mark.FETCH not in only(marks, 0)
