"""A schedule is a function of its seed, can be saved, and never breaks two things of one lane at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.chaos.__main__ import MORTAL, parse, schedule_from
from benchmarks.chaos.events import LANES, Event, Kind, Lane, Schedule, loads
from benchmarks.chaos.schedule import GONE_SECONDS, LAST_SECONDS, generate
from benchmarks.chaos.settings import READ_DEADLINE_SECONDS, Scale
from cachefs.faults import Plan
from mows.faults import LABELS

SEEDS = st.integers(0, 2**32)


def schedule(seed: int, seconds: float = 600.0, **further: frozenset[Kind]) -> Schedule:
    return generate(seed, seconds, nodes=3, objects=("a", "b"), **further)


def lanes(events: Iterable[Event]) -> dict[str, list[Event]]:
    return {lane: [event for event in events if event.kind in kinds] for lane, kinds in LANES.items()}


@given(SEEDS)
@settings(max_examples=20)
def test_the_same_seed_gives_the_same_schedule_and_it_survives_its_file(seed: int) -> None:
    assert schedule(seed) == schedule(seed)
    assert loads(schedule(seed).dumps()) == schedule(seed)


def test_other_seeds_give_other_schedules() -> None:
    assert schedule(1) != schedule(2)


@given(SEEDS)
@settings(max_examples=20)
def test_events_of_a_lane_follow_each_other_and_end_in_time(seed: int) -> None:
    made = schedule(seed)
    for events in lanes(made.events).values():
        assert all(one.at_seconds + one.seconds < other.at_seconds for one, other in pairwise(events))
        assert all(event.at_seconds + event.seconds <= made.seconds - LAST_SECONDS for event in events)


@given(SEEDS)
@settings(max_examples=20)
def test_nothing_ails_the_origin_while_it_is_gone(seed: int) -> None:
    made = schedule(seed)
    gone = next(event for event in made.events if event.kind is Kind.ORIGIN_GONE)
    others = [event for event in made.events if event.kind in LANES[Lane.ORIGIN]]
    assert not [
        event
        for event in others
        if event.at_seconds <= gone.at_seconds + gone.seconds and event.at_seconds + event.seconds >= gone.at_seconds
    ]
    assert GONE_SECONDS > READ_DEADLINE_SECONDS


@given(SEEDS)
@settings(max_examples=20)
def test_faults_inside_daemons_are_faults_that_daemons_know(seed: int) -> None:
    kinds = {Kind.KILL_AT, Kind.STORE_FAULT, Kind.PEER_FAULT, Kind.CLOCK_JUMP}
    for event in schedule(seed).events:
        if event.kind in kinds:
            document = {"faults": [dict(event.details)]}
            Plan.decode(json.dumps(document)).check_labels(LABELS)


def test_all_kinds_come_up() -> None:
    assert {event.kind for seed in range(20) for event in schedule(seed).events} == set(Kind)


@given(SEEDS)
@settings(max_examples=10)
def test_kinds_left_out_leave_the_others_as_they_were(seed: int) -> None:
    without = schedule(seed, without=MORTAL)
    assert without.events == [event for event in schedule(seed).events if event.kind not in MORTAL]


def test_a_schedule_is_read_from_a_file(tmp_path: Path) -> None:
    made = schedule(7, 30.0)
    path = tmp_path / "events.json"
    path.write_text(made.dumps())
    assert schedule_from(parse(["--events", str(path)]), Scale()) == made


def test_without_keepers_no_daemon_is_killed() -> None:
    made = schedule_from(parse(["--seed", "3", "--minutes", "10"]), Scale(keeper=False))
    assert made.events
    assert not {event.kind for event in made.events} & MORTAL


def test_an_event_reads_as_a_line() -> None:
    event = Event(at_seconds=1.5, kind=Kind.EVICT, seconds=2, node=1, details={"a": 1})
    assert str(event).split() == ["1.50", "s", "evict", "node-1", "for", "2.0", "s", "a=1"]
