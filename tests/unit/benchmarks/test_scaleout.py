"""The parts of the scale-out benchmark that only compute: bounds, samples, pauses, results, demands."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import Traffic
from benchmarks.lab.flipping import LEAST_BYTES, flipped
from benchmarks.model import Model, architecture_for
from benchmarks.scaleout import suite
from benchmarks.scaleout.__main__ import parse, settings_from
from benchmarks.scaleout.bounds import (
    Rates,
    all_cold_seconds,
    alone_seconds,
    cold_seconds,
    join_seconds,
    staggered_seconds,
)
from benchmarks.scaleout.outcome import Outcome
from benchmarks.scaleout.reader import Reader, Reading, TooSlow, read
from benchmarks.scaleout.result import as_text, assemble, passed, with_alone
from benchmarks.scaleout.run import SCENARIOS
from benchmarks.scaleout.sampling import Sample, balance, sample, timeline
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.stage import Measured, Workload
from benchmarks.scaleout.tally import Tally
from benchmarks.scaleout.waiting import LONGEST_SECONDS, SHORTEST_SECONDS, pause_seconds

MEGABYTE = 10**6
LINK = 8 * MEGABYTE
"""A megabyte a second, so that megabytes are seconds."""


def rates(nodes: int, total: float | None = None, client: float | None = None) -> Rates:
    return Rates(links=[LINK] * nodes, origin_total=total, origin_client=client)


@pytest.mark.parametrize("nodes", [1, 2, 4, 8])
def test_the_bound_of_an_origin_as_fast_as_one_link_is_one_transfer(nodes: int) -> None:
    assert all_cold_seconds(10 * MEGABYTE, rates(nodes, total=LINK)) == pytest.approx(10)


@pytest.mark.parametrize(("nodes", "seconds"), [(1, 40), (2, 20), (4, 10), (8, 10)])
def test_with_a_limit_per_client_more_nodes_are_sooner_until_their_links_are_full(nodes: int, seconds: float) -> None:
    assert all_cold_seconds(10 * MEGABYTE, rates(nodes, client=LINK / 4)) == pytest.approx(seconds)
    assert alone_seconds(10 * MEGABYTE, rates(nodes, client=LINK / 4)) == pytest.approx(40)


def test_a_slow_link_bounds_its_own_node_and_what_it_takes_from_the_origin() -> None:
    mixed = Rates(links=[LINK, LINK / 10], origin_client=LINK / 4)
    assert cold_seconds(10 * MEGABYTE, mixed, 1) == pytest.approx(100)
    assert cold_seconds(10 * MEGABYTE, mixed, 0) == pytest.approx(10 / 0.35)


def test_joining_is_one_transfer_whatever_the_origin() -> None:
    assert join_seconds(10 * MEGABYTE, rates(8, total=LINK / 100)) == pytest.approx(10)


@pytest.mark.parametrize(("interval", "seconds"), [(0, 10), (1, 13), (5, 25)])
def test_who_begins_later_ends_later(interval: float, seconds: float) -> None:
    assert staggered_seconds(10 * MEGABYTE, rates(4, total=LINK), interval) == pytest.approx(seconds)


def samples() -> list[Sample]:
    counters = [
        {"origin": Traffic(0, 0), "a": Traffic(5, 0), "b": Traffic(0, 7), "services": Traffic(0, 0)},
        {"origin": Traffic(100, 0), "a": Traffic(45, 60), "b": Traffic(20, 127), "services": Traffic(0, 0)},
        {"origin": Traffic(120, 0), "a": Traffic(45, 60), "b": Traffic(20, 137), "services": Traffic(0, 0)},
    ]
    return [sample(10.0 + 2 * index, row, ["a", "b"]) for index, row in enumerate(counters)]


def test_what_the_origin_did_not_send_came_from_peers() -> None:
    first, second = timeline(samples())
    assert first == {"t": 2.0, "origin_bytes_per_second": 50, "peer_bytes_per_second": 40}
    assert second == {"t": 4.0, "origin_bytes_per_second": 10, "peer_bytes_per_second": 0}, "frames under way"


def test_balance_is_the_busiest_by_the_mean() -> None:
    first, _, last = samples()
    assert balance(first, last) == pytest.approx(40 / 30)
    assert balance(first, first) == 1.0


def test_pauses_shrink_towards_the_end_and_stay_within_limits() -> None:
    pauses = [pause_seconds(elapsed, 10 * elapsed, 10 * elapsed) for elapsed in (1.0, 5.0, 8.0, 9.0, 9.9)]
    assert pauses == sorted(pauses, reverse=True)
    assert pauses[0] == LONGEST_SECONDS
    assert pauses[-1] == SHORTEST_SECONDS
    assert pause_seconds(0.0, 0.0, 0.0) == SHORTEST_SECONDS
    assert pause_seconds(100.0, 0.0, 50.0) == LONGEST_SECONDS


def test_reading_notes_what_fails_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"right")
    (tmp_path / "b").mkdir()
    (tmp_path / "c").write_bytes(b"right")
    reading = read(tmp_path)
    assert [failure.split(":")[0] for failure in reading.failures] == ["b"]
    assert reading.digests["a"] == reading.digests["c"]
    assert reading.wrong({"a": reading.digests["a"], "b": "x", "c": "other"}) == ["b", "c"]
    assert reading.wrong(reading.digests) == []


def test_a_reader_waits_for_the_word_and_answers(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    with Reader("reader", tmp_path / "model", tmp_path) as reader:
        reader.wait_ready()
        (tmp_path / "model" / "late").write_bytes(b"bytes")
        reader.start()
        assert list(reader.result(time.monotonic() + 60).digests) == ["late"]


def test_a_reader_that_takes_too_long_is_named(tmp_path: Path) -> None:
    with Reader("reader-x", tmp_path, tmp_path) as reader:
        reader.wait_ready()
        with pytest.raises(TooSlow, match="reader-x"):
            reader.result(time.monotonic())


@pytest.mark.parametrize("size", [LEAST_BYTES, LEAST_BYTES + 1, 65536])
def test_a_long_block_arrives_with_one_bit_flipped(size: int) -> None:
    block = bytes(range(256)) * (size // 256 + 1)
    different = [place for place, (old, new) in enumerate(zip(block, flipped(block), strict=True)) if old != new]
    assert len(different) == 1
    assert (block[different[0]] ^ flipped(block)[different[0]]).bit_count() == 1


def test_a_short_block_arrives_as_it_is() -> None:
    assert flipped(b"x" * (LEAST_BYTES - 1)) == b"x" * (LEAST_BYTES - 1)


def test_tallies_add_up() -> None:
    one = Tally(1, 2, 3, {"a": {"b": 10}})
    assert one + Tally(10, 20, 30, {"a": {"b": 1, "c": 2}, "b": {"a": 5}}) == Tally(
        11, 22, 33, {"a": {"b": 11, "c": 2}, "b": {"a": 5}}
    )


SETTINGS = settings_from(parse(["cold", "--nodes", "2", "--origin", "200Mbit"]))


def workload(tmp_path: Path) -> Workload:
    (tmp_path / "file").write_bytes(b"x" * MEGABYTE)
    return Workload(Model(tmp_path, architecture_for(MEGABYTE), (), {}), read(tmp_path).digests)


def result(tmp_path: Path, *readings: Reading, **outcome: Any) -> dict[str, Any]:
    measured = Measured(0.0, 2 * MEGABYTE, 1.5, 0.5, samples())
    played = Outcome(measured=measured, finish_seconds={"a": 3.0, "b": 4.0}, bound_seconds=2.0, **outcome)
    return assemble(SETTINGS, workload(tmp_path), played, readings, Tally(7, 8, 0, {"a": {"b": 7}}))


def test_a_result_holds_every_figure_and_is_json(tmp_path: Path) -> None:
    good = result(tmp_path, read_of(tmp_path))
    assert json.loads(json.dumps(good)) == good
    assert (good["last_seconds"], good["ratio"], good["origin_ratio"]) == (4.0, 2.0, 2.0)
    assert (good["variant"], good["model_bytes"], good["peer_bytes"]) == ("a", MEGABYTE, 7)
    assert passed(good)
    assert "ratio 2.000" in as_text(good)


def read_of(tmp_path: Path) -> Reading:
    workload(tmp_path)
    return read(tmp_path)


def test_wrong_bytes_and_failed_reads_fail_a_result(tmp_path: Path) -> None:
    wrong = result(tmp_path, Reading(1.0, {"file": "00"}, []))
    assert wrong["checks"] == {"digests_right": False, "no_read_failed": True}
    assert wrong["wrong"] == ["file"]
    failed = result(tmp_path, read_of(tmp_path), readings=[Reading(1.0, {}, ["file: EIO"])])
    assert failed["failed_reads"] == 1
    assert not passed(failed)
    assert "no_read_failed: NO" in as_text(failed)


def test_a_scenario_may_say_who_counts_and_what_else_must_hold(tmp_path: Path) -> None:
    told = result(tmp_path, read_of(tmp_path), last_seconds=3.0, checks={"named": False}, notes={"slow": "b"})
    assert told["last_seconds"] == 3.0
    assert not passed(told)
    assert "slow" in as_text(told)


@pytest.mark.parametrize(
    ("arguments", "variant"),
    [([], ""), (["--origin", "1Gbit"], "a"), (["--origin-per-client", "50Mbit"], "b")],
)
def test_the_command_line_says_the_run(arguments: list[str], variant: str) -> None:
    settings = settings_from(parse(["cold", *arguments]))
    assert settings.variant == variant
    assert (settings.nodes, settings.shards, settings.chunk_bytes) == (8, 4, 512 * 1024)
    assert settings.capacity_bytes > settings.model_bytes
    assert settings.lab().nodes == 8


@pytest.mark.parametrize(
    "arguments", [["join", "--nodes", "1"], ["slow", "--nodes", "1"], ["nothing"], ["cold", "--link", "fast"]]
)
def test_runs_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        parse(arguments)
    assert refused.value.code == 2


def planned() -> list[RunSettings]:
    return list(suite.plan(SETTINGS, 8))


def test_the_suite_runs_every_scenario_that_must_be_shown() -> None:
    runs = [(one.scenario, one.variant, one.nodes) for one in planned()]
    assert {(variant, nodes) for scenario, variant, nodes in runs if scenario == "cold"} == {
        (variant, nodes) for variant in "ab" for nodes in (1, 2, 4, 8)
    }
    assert {scenario for scenario, _, _ in runs} <= set(SCENARIOS)
    assert {*suite.DISTURBED, "join"} < {scenario for scenario, _, _ in runs}
    assert len(runs) == len(set(runs))


def pretended(scenario: str, variant: str, nodes: int, last: float, origin: float = 1.0) -> dict[str, Any]:
    document = {"scenario": scenario, "variant": variant, "nodes": nodes, "last_seconds": last, "ratio": last / 10}
    return document | {"origin_ratio": origin, "alone_seconds": 1.0, "alone_measured": False}


def test_demands_are_made_of_the_largest_fleet() -> None:
    results = suite.with_measured_alone(
        [
            pretended("cold", "a", 8, 12.0),
            pretended("cold", "b", 1, 40.0),
            pretended("cold", "b", 8, 15.0),
            pretended("join", "a", 8, 12.0),
            pretended("kill", "a", 8, 18.1, origin=1.2),
        ]
    )
    verdicts = {(demand.run, demand.name): demand.met for demand in suite.demands(results)}
    assert verdicts == {
        ("cold (a)", "last / bound"): True,
        ("cold (a)", "origin / model"): True,
        ("cold (b)", "last / bound"): False,
        ("cold (b)", "origin / model"): True,
        ("cold (b)", "T(N) / T(1)"): False,
        ("join (a)", "last / one transfer at line rate"): True,
        ("kill (a)", "last / undisturbed"): False,
        ("kill (a)", "origin / model"): False,
    }
    assert all(("MISSED" in str(demand)) != demand.met for demand in suite.demands(results))


def test_t1_is_what_was_measured_when_it_was(tmp_path: Path) -> None:
    told = with_alone(result(tmp_path, read_of(tmp_path)), 12.0)
    assert "T(1) 12.00 s, measured" in as_text(told)
