"""Results as pictures: well-formed, complete, the same every time."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.scaleout.plot import compare_plot, plot, title

RESULT = {
    "scenario": "cold",
    "variant": "a",
    "nodes": 2,
    "model_bytes": 100_000_000,
    "bound_seconds": 4.0,
    "last_seconds": 5.0,
    "ratio": 1.25,
    "finish_seconds": {"node-0": 4.5, "node-1": 5.0},
    "timeline": [
        {"t": 0.0, "origin_bytes_per_second": 0.0, "peer_bytes_per_second": 0.0},
        {"t": 2.0, "origin_bytes_per_second": 25e6, "peer_bytes_per_second": 20e6},
        {"t": 5.0, "origin_bytes_per_second": 5e6, "peer_bytes_per_second": 10e6},
    ],
}


def names(path: Path) -> set[str]:
    """The ids of all elements."""
    return {element.get("id", "") for element in ElementTree.parse(path).iter()}


def words(path: Path) -> set[str]:
    """Every text in the picture."""
    return {(element.text or "").strip() for element in ElementTree.parse(path).iter()}


def test_the_title_says_what_was_run_and_how_near_to_the_bound() -> None:
    assert title(RESULT) == "cold (a), 2 nodes: 5.0 s, 1.25 x the bound"
    assert title({**RESULT, "scenario": "join", "variant": None}) == "join, 2 nodes: 5.0 s, 1.25 x the bound"


def test_the_picture_has_each_source_the_bound_and_the_finishes(tmp_path: Path) -> None:
    plot(RESULT, tmp_path / "cold.svg")
    assert {"origin", "peers", "bound", "finishes"} <= names(tmp_path / "cold.svg")
    assert {title(RESULT), "from the origin", "from peers", "the bound"} <= words(tmp_path / "cold.svg")


def test_a_node_that_finished_is_a_tick(tmp_path: Path) -> None:
    plot(RESULT, tmp_path / "cold.svg")
    (finishes,) = (group for group in ElementTree.parse(tmp_path / "cold.svg").iter() if group.get("id") == "finishes")
    assert len(list(finishes.iter("{http://www.w3.org/2000/svg}use"))) == 2


def test_the_same_result_gives_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        plot(RESULT, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_nothing_is_drawn_behind_the_picture(tmp_path: Path) -> None:
    plot(RESULT, tmp_path / "cold.svg")
    assert "#ffffff" not in (tmp_path / "cold.svg").read_text()


def test_the_comparison_has_a_bar_and_a_bound_for_everybody(tmp_path: Path) -> None:
    systems = [("mows", 5.0), ("aria2", 32.0), ("libtorrent, seeder", 6.5)]
    results = [{**RESULT, "system": system, "last_seconds": seconds} for system, seconds in systems]
    compare_plot(results, tmp_path / "rivals.svg")
    assert {"bound-0", "bound-1", "bound-2"} <= names(tmp_path / "rivals.svg")
    assert {"cold (a): mows", "cold (a): aria2", "cold (a): libtorrent, seeder"} <= words(tmp_path / "rivals.svg")
    assert {"5.0 s", "32.0 s", "6.5 s"} <= words(tmp_path / "rivals.svg")


def test_a_comparison_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        compare_plot([], tmp_path / "rivals.svg")
