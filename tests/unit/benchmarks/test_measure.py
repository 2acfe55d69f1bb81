"""Figures, targets, and runs that take turns."""

from __future__ import annotations

import pytest

from benchmarks.local.measure import Figure, Target, alternate, at_least, fastest, percentile


def figure(*samples: float, name: str = "it") -> Figure:
    return Figure(name, "GB/s", samples)


def test_the_median_is_not_moved_by_one_disturbed_run() -> None:
    assert figure(5.0, 4.0, 0.1, 5.5, 6.0).median == 5.0


def test_runs_take_turns() -> None:
    order: list[str] = []

    def run(name: str) -> float:
        order.append(name)
        return float(len(order))

    figures = alternate({"a": lambda: run("a"), "b": lambda: run("b")}, repeats=2, unit="s")
    assert order == ["a", "b", "a", "b"]
    assert figures == {"a": Figure("a", "s", (1.0, 3.0)), "b": Figure("b", "s", (2.0, 4.0))}


@pytest.mark.parametrize(("measured", "met"), [(0.89, False), (0.90, True), (1.2, True)])
def test_at_least_compares_the_medians(measured: float, met: bool) -> None:
    target = at_least("ratio", figure(measured, measured, 99.0), figure(1.0, 1.0, 0.0), 0.90)
    assert (target.measured, target.met) == (measured, met)


def test_at_most_is_the_other_way_round() -> None:
    assert Target("memory", 400.0, 400.0, "at most").met
    assert not Target("memory", 400.1, 400.0, "at most").met


def test_the_fastest_has_the_highest_median() -> None:
    assert fastest([figure(1.0, name="a"), figure(3.0, name="b"), figure(2.0, name="c")]).name == "b"


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.0, 1.0)])
def test_a_percentile_is_a_sample(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected
