"""Who takes part in which scenario, on what links, and what its result says."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.scaleout.plot import plot
from benchmarks.scaleout.rivals.__main__ import parse, settings
from benchmarks.scaleout.rivals.contest import bound_seconds, result_of, rivals_of
from benchmarks.scaleout.rivals.course import Run
from benchmarks.scaleout.sampling import Sample
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.table import rivals

MEGABYTE = 1_000_000


def asked(*words: str) -> RunSettings:
    return settings(parse(words))


def samples() -> list[Sample]:
    """Two nodes, of which one gives the other half of what it has from the origin."""
    return [
        Sample(10.0, 0, {"node-0": 0, "node-1": 0}, 0),
        Sample(12.0, 50 * MEGABYTE, {"node-0": 25 * MEGABYTE, "node-1": 0}, 75 * MEGABYTE),
    ]


def test_in_variant_a_the_origin_has_one_links_rate_for_all() -> None:
    wanted = asked("--variant", "a", "--nodes", "4")
    assert (wanted.scenario, wanted.variant, wanted.nodes) == ("cold", "a", 4)
    assert (wanted.link, wanted.origin_total, wanted.origin_client) == (200_000_000, 200_000_000, None)
    assert set(rivals_of(wanted)) == {"aria2", "web seed", "seeder"}


def test_in_variant_b_the_origin_gives_each_client_a_quarter_of_a_link() -> None:
    wanted = asked("--variant", "b")
    assert (wanted.variant, wanted.nodes) == ("b", 8)
    assert (wanted.origin_total, wanted.origin_client) == (None, 50_000_000)


def test_some_hold_the_model_and_the_others_join() -> None:
    wanted = asked("--variant", "join", "--nodes", "9", "--holders", "2")
    assert (wanted.scenario, wanted.nodes, wanted.holders) == ("join", 9, 2)
    assert (wanted.origin_total, wanted.origin_client) == (None, None)
    assert set(rivals_of(wanted)) == {"warm nodes"}


@pytest.mark.parametrize("holders", ["0", "8"])
def test_a_join_of_nobody_or_from_nobody_is_refused(holders: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        asked("--variant", "join", "--holders", holders)
    assert "join with 8 nodes needs 1 to 7 holders" in capsys.readouterr().err


@pytest.mark.parametrize(("variant", "seconds"), [("a", 4.0), ("b", 8.0), ("join", 4.0)])
def test_the_bound_is_that_of_the_scenario(variant: str, seconds: float) -> None:
    assert bound_seconds(asked("--variant", variant, "--nodes", "2"), 100 * MEGABYTE) == pytest.approx(seconds)


def test_a_result_can_be_shown_and_drawn_like_the_fleets_own(tmp_path: Path) -> None:
    run = Run("libtorrent, seeder", {"node-0": 4.5, "node-1": 5.0}, 150 * MEGABYTE, 2.0, 50 * MEGABYTE, 7)
    result = result_of(run, asked("--variant", "a", "--nodes", "2"), 100 * MEGABYTE, samples())
    assert (result["last_seconds"], result["ratio"], result["origin_ratio"]) == (5.0, 1.25, 1.5)
    assert result["timeline"] == [{"t": 2.0, "origin_bytes_per_second": 25e6, "peer_bytes_per_second": 12.5e6}]
    assert result["uplink_balance"] == 2.0
    row = ("cold (a)", "libtorrent, seeder", "2", "5.00", "4.00", "1.25", "1.500", "")
    assert rivals([result]).rows == (row,)
    plot(result, tmp_path / "run.svg")
    assert (tmp_path / "run.svg").stat().st_size > 0
