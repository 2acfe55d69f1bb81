"""What is printed, what is read, and how lab and simulator are compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.simulate.__main__ import main, parse, scenario_for
from benchmarks.simulate.control import Ledger, update_bytes
from benchmarks.simulate.report import as_json, as_rows, as_text
from benchmarks.simulate.result import Result
from benchmarks.simulate.scenario import Scale, Scenario
from benchmarks.simulate.validate import Comparison, as_markdown, results_in, scenario_of

SCENARIO = Scenario(name="slow", nodes=4, model_bytes=1_000, chunk_bytes=10, link_bits_per_second=80.0, zones=2)
RESULT = Result(
    scenario=SCENARIO,
    finish_seconds={"n0": 110.0, "n1": 120.0, "n2": 130.0, "n3": 900.0},
    slow_nodes=frozenset({"n3"}),
    unfinished=0,
    origin_bytes=1_020,
    duplicate_bytes=40,
    border_bytes=2_400,
    uploaded_bytes=(900, 1_000, 1_100),
    busy_answers=7,
    message_counts={"announce": 4_000, "request": 400},
    message_bytes={"announce": 400_000, "request": 40_000},
    simulated_seconds=1_000.0,
    transfers=400,
    cpu_seconds=0.5,
)
LAB = {
    "scenario": "join",
    "variant": None,
    "nodes": 8,
    "model_bytes": 512 << 20,
    "chunk_bytes": 512 << 10,
    "link_bits_per_second": 200e6,
    "origin_total_bits_per_second": 200e6,
    "origin_client_bits_per_second": None,
    "finish_seconds": {f"n{number}": 24.0 for number in range(7)},
    "bound_seconds": 21.5,
    "ratio": 1.12,
    "origin_bytes": 0,
}


def test_figures_are_those_of_healthy_nodes() -> None:
    assert (RESULT.first_seconds, RESULT.median_seconds, RESULT.last_seconds) == (110, 120, 130)
    assert RESULT.ratio == 1.3
    assert RESULT.origin_ratio == 1.02
    assert RESULT.duplicate_ratio == 0.01
    assert RESULT.border_copies == 1.2
    assert RESULT.uplink_balance == 1.1
    assert RESULT.messages_per_node == 1_100


def test_the_text_says_what_breaks_first() -> None:
    lines = as_text(RESULT).splitlines()
    assert lines[0] == "slow, 4 nodes, 1,000 bytes in 100 chunks of 10"
    assert "  bound    100.00 s, ratio 1.300" in lines
    assert "  origin   1.020 x the model" in lines
    assert any(line.startswith("  control  a node sent 1 messages/s, 0 kB/s; announce 1,000") for line in lines)
    assert "  slow     1 slow nodes, done after 900.0 s (median)" in lines


def test_rows_and_json_hold_the_same_figures() -> None:
    assert (
        as_rows({"slow, 4": RESULT})
        .splitlines()[2]
        .startswith("| slow, 4 | 4 | 110.0 s | 120.0 s | 130.0 s | 100.0 s | **1.30** | 1.020 | 1.0% | 1.20 | 1.10 |")
    )
    document = json.loads(json.dumps(as_json(RESULT)))
    assert document["ratio"] == 1.3
    assert document["scenario"]["nodes"] == 4


def test_announcements_are_as_large_as_the_shorter_way_to_say_it() -> None:
    few, all_of_them = update_bytes(10, 0, 80_000), update_bytes(80_000, 0, 80_000)
    assert few < 200
    assert 10_000 < all_of_them < 10_300


def test_what_is_sent_once_per_chunk_counts_for_all_the_real_chunks() -> None:
    ledger = Ledger(100.0)
    ledger.requested()
    ledger.announced(1, 0, 1_000)
    counts, nbytes = ledger.totals()
    assert counts == {"request": 100, "announce": 1}
    assert nbytes["announce"] == update_bytes(100, 0, 100_000)


def test_a_lab_run_is_simulated_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "lab.json"
    path.write_text(json.dumps({"results": [LAB, {**LAB, "scenario": "corrupt"}]}))
    (result,) = results_in(path)
    scenario = scenario_of(result)
    assert (scenario.nodes, scenario.warm, scenario.origin_plugged) == (8, 1, False)
    assert scenario.chunk_count == 1024


def test_what_differs_by_more_than_15_percent_is_marked() -> None:
    table = as_markdown([Comparison("cold a", 8, 20.0, 22.0, 1.0, 1.0), Comparison("join", 8, 20.0, 26.0, 0.0, 0.0)])
    assert "| cold a | 8 | 20.00 s | 22.00 s | +10.0% |" in table
    assert "| +30.0% **beyond 15 %** |" in table


def test_options_become_a_scenario() -> None:
    options = parse(["--scenario", "kill", "--dying", "2%", "--origin-total", "0", "--nodes", "9"])
    scenario = scenario_for(options, Scale(1_000, 10, 1.0))
    assert (scenario.dying_ratio, scenario.slow_ratio, scenario.zones) == (0.02, 0.0, 1)
    assert scenario.origin_total_bits_per_second is None


@pytest.mark.parametrize("wrong", [["--nodes", "0"], ["--dying", "200%"], ["--scenario", "join", "--warm", "0"]])
def test_options_that_make_no_sense_are_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(wrong)
    assert "error" in capsys.readouterr().err


def test_the_command_prints_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--nodes", "3", "--model", "1GB", "--link", "1e9", "--max-chunks", "50", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["scenario"]["nodes"] == 3
