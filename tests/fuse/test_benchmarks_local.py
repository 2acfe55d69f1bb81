"""The benchmarks, small: each question that needs no foreign program is answered. How fast it was is not judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.node.processes import REPOSITORY

QUESTIONS = ("warm", "lazy", "latency", "listing", "cost")
SMALL = ("--quick", "--size", "24MiB", "--json")


@pytest.fixture(scope="module")
def outcomes() -> dict[str, dict[str, list[dict[str, object]]]]:
    only = [word for question in QUESTIONS for word in ("--only", question)]
    command = [sys.executable, "-m", "benchmarks.local", *SMALL, *only]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {outcome["question"].partition(":")[0]: outcome for outcome in json.loads(done.stdout)["outcomes"]}


def test_every_question_is_answered_with_numbers(outcomes: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    assert tuple(outcomes) == QUESTIONS
    for outcome in outcomes.values():
        assert all(isinstance(figure["median"], float) and figure["median"] >= 0 for figure in outcome["figures"])


def test_the_targets_of_the_design_are_beside_them(outcomes: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    bounds = {target["name"]: target["bound"] for outcome in outcomes.values() for target in outcome["targets"]}
    assert bounds == {
        "mount / cache file, read": 0.9,
        "mount / cache file, mmap": 0.85,
        "lazy / sequential": 0.8,
        "most memory beyond the memory tier": 400.0,
    }


def test_warm_reads_are_by_passthrough(outcomes: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    assert "by passthrough" in str(outcomes["warm"]["question"])


def test_nothing_is_left_mounted(outcomes: dict[str, dict[str, list[dict[str, object]]]]) -> None:
    assert outcomes
    assert "mows-bench-" not in Path("/proc/self/mountinfo").read_text()
