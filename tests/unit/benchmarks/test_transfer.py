"""The table of the transfer benchmark."""

from __future__ import annotations

import pytest

from benchmarks.transfer.__main__ import WAYS, Sample, as_outcome, parse


def sampled(way: str, *speeds: float) -> list[Sample]:
    cpu = 0.2 if way == "lane" else 1.0
    return [Sample(speed, cpu, 2 * cpu) for speed in speeds]


def test_the_ratio_is_the_median_over_turns_and_not_the_ratio_of_medians() -> None:
    speeds = dict.fromkeys(WAYS, (1.0, 1.0, 1.0)) | {"bare": (1.0, 10.0, 4.0), "lane": (0.9, 5.0, 4.0)}
    outcome = as_outcome({way: sampled(way, *speeds[way]) for way in WAYS}, "how fast?")
    ratio, cpu = outcome.targets
    assert (ratio.measured, ratio.met) == (0.9, True)
    assert cpu.measured == pytest.approx(0.6)
    assert cpu.met


def test_each_way_shows_its_speed_and_what_it_costs_on_each_side() -> None:
    outcome = as_outcome({way: sampled(way, 2.0) for way in WAYS}, "how fast?")
    rows = {figure.name: (figure.median, figure.unit) for figure in outcome.figures}
    assert len(rows) == 3 * len(WAYS)
    assert rows["bulk lane"] == (2.0, "GB/s")
    assert rows["bulk lane: processor, giving"] == (0.2, "s/GB")
    assert rows["gRPC: processor, taking"] == (2.0, "s/GB")


def test_the_defaults_are_those_of_the_document() -> None:
    options = parse([])
    assert (options.size, options.repeats, options.small_pages, options.json) == (2 << 30, 5, False, False)
