"""Whole simulations, small: everybody gets everything, the origin gives it once, and runs are repeatable."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.simulate.result import Result
from benchmarks.simulate.scenario import Scenario
from benchmarks.simulate.swarm import simulate
from peer.policy.duty import quota

MIB = 1 << 20
COLD = Scenario(
    name="cold",
    nodes=8,
    model_bytes=128 * MIB,
    chunk_bytes=MIB // 2,
    link_bits_per_second=200e6,
    origin_total_bits_per_second=200e6,
)


def run(scenario: Scenario) -> Result:
    result = simulate(scenario, scenario.chunk_bytes)
    assert result.unfinished == 0
    return result


def test_one_node_alone_takes_what_the_link_takes() -> None:
    """It keeps to its quota. Equal flows of one link end together, so each quota's worth costs it a round trip."""
    result = run(replace(COLD, nodes=1))
    round_trips = COLD.model_bytes / COLD.chunk_bytes / quota(1) * COLD.latencies.origin_round_trip
    seconds = COLD.bound_seconds / COLD.efficiency_ratio + round_trips
    assert result.last_seconds == pytest.approx(seconds, rel=0.05)
    assert result.origin_bytes == COLD.model_bytes


def test_eight_cold_nodes_take_little_more_and_spare_the_origin() -> None:
    result = run(COLD)
    assert len(result.finish_seconds) == 8
    assert 1 / COLD.efficiency_ratio < result.ratio < 1.6
    assert result.origin_ratio < 1.1
    assert sum(result.uploaded_bytes) >= 8 * COLD.model_bytes - result.origin_bytes


def test_the_same_seed_gives_the_same_run() -> None:
    first, second, other = run(COLD), run(COLD), run(replace(COLD, seed=2))
    assert first.finish_seconds == second.finish_seconds
    assert first.finish_seconds != other.finish_seconds


def test_joiners_get_everything_from_one_warm_node_without_the_origin() -> None:
    result = run(replace(COLD, name="join", warm=1, origin_plugged=False))
    assert len(result.finish_seconds) == 7
    assert result.origin_bytes == 0
    assert result.last_seconds < 2 * COLD.bound_seconds


def test_a_model_of_several_files_is_wanted_at_once() -> None:
    result = run(replace(COLD, files=4))
    assert result.transfers == 8 * COLD.chunk_count
    assert result.origin_ratio < 1.1


def test_zones_without_a_directory_bring_each_chunk_in_once() -> None:
    result = run(replace(COLD, name="zones", zones=2, directory=False))
    assert 0.4 < result.border_copies < 0.7  # the origin gave each zone the other half


def test_the_dead_are_not_waited_for() -> None:
    result = run(replace(COLD, name="kill", dying_ratio=0.25))
    assert len(result.finish_seconds) == 6


def test_slow_nodes_finish_later_and_do_not_count_as_the_last() -> None:
    result = run(replace(COLD, name="slow", slow_ratio=0.01))
    (slow,) = result.slow_nodes
    assert result.finish_seconds[slow] > result.last_seconds


def test_a_late_starter_is_timed_from_its_own_start() -> None:
    result = run(replace(COLD, name="staggered", interval_seconds=4.0))
    assert result.simulated_seconds > 28
    assert result.last_seconds < 3 * COLD.bound_seconds


def test_what_crosses_a_border_is_counted() -> None:
    result = run(replace(COLD, name="zones", zones=2, border_bits_per_second=100e6))
    assert 0 < result.border_copies < 1
    assert run(COLD).border_bytes == 0
