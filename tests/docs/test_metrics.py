"""docs/METRICS.md is what the metric names say."""

from __future__ import annotations

from pathlib import Path

from mows.metric_names import ALL, render

DOCUMENT = Path(__file__).parents[2] / "docs" / "METRICS.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == render(), "run: python -m mows.metric_names > docs/METRICS.md"


def test_names_are_unique_and_follow_the_conventions() -> None:
    names = [metric.name for metric in ALL]
    assert sorted(names) == sorted(set(names))
    assert all(name.startswith("mows_") for name in names)
    assert all(metric.name.endswith("_total") == (metric.kind == "counter") for metric in ALL)
    assert all(metric.help.endswith(".") for metric in ALL)
