"""Flows that begin, end and are called off; what the pause between two solutions costs."""

from __future__ import annotations

import random
from functools import partial

import pytest

from benchmarks.simulate.fair import UNLIMITED
from benchmarks.simulate.network import FIRST_ROWS, Network
from benchmarks.simulate.timeline import Timeline


class Seen:
    """When what ended."""

    def __init__(self, timeline: Timeline) -> None:
        self.times: list[tuple[str, float]] = []
        self._timeline = timeline

    def note(self, name: str) -> None:
        self.times.append((name, self._timeline.now))

    def by_name(self) -> dict[str, float]:
        return dict(self.times)


def run(timeline: Timeline) -> None:
    while timeline.next_time < float("inf"):
        timeline.step()


def test_events_come_in_order_and_at_their_time() -> None:
    timeline = Timeline()
    seen = Seen(timeline)
    for name, seconds in [("b", 2.0), ("a", 1.0), ("c", 2.0)]:
        timeline.after(seconds, seen.note, name)
    run(timeline)
    assert seen.times == [("a", 1.0), ("b", 2.0), ("c", 2.0)]


def test_two_flows_share_a_link_and_the_second_speeds_up_when_the_first_is_done() -> None:
    timeline = Timeline()
    network = Network(timeline, 0.0)
    link = network.link(10.0)
    seen = Seen(timeline)
    network.begin([link], 50.0, seen.note, "short")
    network.begin([link], 100.0, seen.note, "long")
    run(timeline)
    assert seen.by_name() == pytest.approx({"short": 10.0, "long": 15.0})
    assert network.flows == 0


def test_a_flow_that_is_called_off_leaves_its_share_and_its_place() -> None:
    timeline = Timeline()
    network = Network(timeline, 0.0)
    link = network.link(10.0)
    seen = Seen(timeline)
    first = network.begin([link], 100.0, seen.note, "called off")
    network.begin([link], 100.0, seen.note, "other")
    timeline.after(2.0, network.cancel, first)
    timeline.after(2.0, partial(network.begin, [link], 10.0, seen.note, "third"))
    run(timeline)
    assert seen.by_name() == pytest.approx({"third": 4.0, "other": 12.0})


def test_what_is_not_limited_is_no_link() -> None:
    assert Network(Timeline(), 0.0).link(None) == UNLIMITED


def test_there_is_room_for_any_number_of_flows() -> None:
    timeline = Timeline()
    network = Network(timeline, 0.0)
    link = network.link(1.0)
    seen = Seen(timeline)
    for _ in range(3 * FIRST_ROWS):
        network.begin([link], 1.0, seen.note, "one")
    run(timeline)
    assert [seconds for _, seconds in seen.times] == pytest.approx([3.0 * FIRST_ROWS] * 3 * FIRST_ROWS)


def time_of_a_busy_network(quantum_seconds: float) -> float:
    """Ten nodes with ten downloads each at a time, from random others, until each had 200 chunks of 1 s of its link."""
    timeline, rng, nodes = Timeline(), random.Random(7), range(10)
    network = Network(timeline, quantum_seconds)
    up, down = [network.link(1.0) for _ in nodes], [network.link(1.0) for _ in nodes]
    wanted = dict.fromkeys(nodes, 200)

    def ask(node: int) -> None:
        if wanted[node]:
            wanted[node] -= 1
            source = rng.choice([other for other in nodes if other != node])
            network.begin([up[source], down[node]], 1.0, ask, node)

    for node in nodes:
        for _ in range(10):
            ask(node)
    run(timeline)
    return timeline.now


def test_a_pause_of_an_eighth_of_a_chunk_between_solutions_costs_about_a_percent() -> None:
    assert time_of_a_busy_network(1 / 8) == pytest.approx(time_of_a_busy_network(0.0), rel=0.03)
