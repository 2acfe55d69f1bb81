"""The pieces of the local benchmarks that need no mount."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.local.__main__ import QUESTIONS, parse, scale_for
from benchmarks.local.bench import FULL, QUICK, write_small
from benchmarks.local.latency import open_once, summary, time_each
from benchmarks.local.lazy import load_rate
from benchmarks.local.listing import list_all
from benchmarks.model import write_model


def test_a_run_is_full_unless_told_otherwise() -> None:
    assert scale_for(parse([])) == FULL
    assert scale_for(parse(["--quick"])) == QUICK


def test_size_and_repeats_may_be_given() -> None:
    scale = scale_for(parse(["--quick", "--size", "1MiB", "--repeats", "7"]))
    assert (scale.size_bytes, scale.repeats, scale.objects) == (1 << 20, 7, QUICK.objects)


def test_questions_may_be_picked() -> None:
    assert parse(["--only", "warm", "--only", "cold"]).only == ["warm", "cold"]
    assert {"warm", "cold"} < QUESTIONS.keys()


@pytest.mark.parametrize("partial", [["--quick"], ["--only", "warm"]])
def test_part_of_a_run_is_not_documented(partial: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parse(["--write-docs", *partial])
    assert "--write-docs documents a whole run" in capsys.readouterr().err


def test_small_files_are_all_listed(tmp_path: Path) -> None:
    names = write_small(tmp_path / "small", 25)
    assert len(set(names)) == 25
    assert list_all(tmp_path / "small") == 25


def test_every_call_is_timed(tmp_path: Path) -> None:
    paths = [tmp_path / "small" / name for name in write_small(tmp_path / "small", 3)]
    seconds = time_each(open_once, paths)
    assert len(seconds) == 3
    assert min(seconds) > 0


def test_latency_is_summed_up_round_by_round() -> None:
    rounds = [[number / 1e6 for number in range(1, 101)], [number / 1e5 for number in range(1, 101)]]
    median, high = summary("open", rounds)
    assert (median.name, median.unit) == ("open, p50", "us")
    assert median.samples == pytest.approx((50, 500))
    assert high.samples == pytest.approx((99, 990))


def test_a_model_is_loaded_at_some_rate(tmp_path: Path) -> None:
    write_model(tmp_path, size_bytes=1 << 20, shards=2)
    assert load_rate(tmp_path) > 0
