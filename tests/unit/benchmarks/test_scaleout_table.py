"""Results as tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.scaleout.table import Table, main, read, rivals, scenarios, tables


def result(**changes: object) -> dict[str, object]:
    return {
        "scenario": "cold",
        "variant": "b",
        "nodes": 8,
        "last_seconds": 11.0,
        "bound_seconds": 10.0,
        "ratio": 1.1,
        "origin_ratio": 1.004,
        "cpu_seconds": 42.0,
        "alone_seconds": 44.0,
        "alone_measured": False,
        "checks": {"digests": True, "origin bytes": True},
        **changes,
    }


def test_markdown_and_text_show_the_same_cells() -> None:
    table = Table(("what", "s"), (("cold", "1.00"), ("staggered", "12.00")))
    assert table.markdown() == "| what | s |\n| --- | ---: |\n| cold | 1.00 |\n| staggered | 12.00 |\n"
    assert table.text() == "what           s\ncold        1.00\nstaggered  12.00\n"


def test_the_speed_up_is_in_brackets_where_one_node_was_not_measured() -> None:
    measured = result(alone_seconds=88.0, alone_measured=True)
    computed = result(alone_seconds=80.0, last_seconds=10.0, scenario="join", variant="")
    rows = scenarios([measured, computed]).rows
    assert [(row[0], row[-2]) for row in rows] == [("cold (b)", "8.00"), ("join", "(8.00)")]


def test_a_failed_check_is_named() -> None:
    failed = result(checks={"digests": True, "origin bytes": False, "a read failed": False})
    assert scenarios([result(), failed]).rows[0][1] == "2 right"
    assert scenarios([result(), failed]).rows[1][1] == "FAILED: origin bytes, a read failed"


def test_ours_by_theirs_is_of_the_same_contest() -> None:
    ours = result(system="mows")
    theirs = result(system="aria2", last_seconds=55.0)
    elsewhere = result(system="aria2", variant="a")
    rows = rivals([ours, theirs, elsewhere]).rows
    assert [(row[1], row[-1]) for row in rows] == [("mows", "1.00"), ("aria2", "0.20"), ("aria2", "")]


def test_our_scenarios_and_the_side_by_side_are_two_tables() -> None:
    own, side_by_side = tables([result(), result(system="mows"), result(system="aria2")])
    assert len(own.rows) == 1
    assert len(side_by_side.rows) == 2
    assert tables([result()]) == [scenarios([result()])]


@pytest.mark.parametrize("document", [[result()], {"results": [result()]}, result()], ids=["list", "suite", "one"])
def test_a_file_holds_one_result_or_many(tmp_path: Path, document: object) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document))
    assert read(path) == [result()]


@pytest.mark.parametrize("document", ['{"results": 3}', "[3]", '{"outcomes": []}', "3"])
def test_a_file_of_something_else_is_refused(tmp_path: Path, document: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(document)
    with pytest.raises(ValueError, match=r"results\.json holds no results of the scale-out benchmark"):
        read(path)


def test_the_command_prints_markdown_or_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.json"
    path.write_text(json.dumps([result()]))
    assert main([str(path)]) == 0
    assert "| cold (b) | 2 right | 8 | 11.00 | 10.00 | 1.10 | 1.004 | (4.00) | 42.0 |" in capsys.readouterr().out
    assert main(["--text", str(path)]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("scenario  checks")
