"""A model four times the cache, read in a loop through a real mount: right bytes, within the cap, everybody gets on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.node.processes import REPOSITORY
from benchmarks.thrash.run import Plan, judge
from benchmarks.thrash.sampling import Fullness, fullest

MIB = 1 << 20


@pytest.mark.parametrize("files", [1, 4])
def test_a_model_larger_than_the_cache_is_read_right_and_without_end(files: int) -> None:
    command = [sys.executable, "-m", "benchmarks.thrash", "--tier", "32MiB", "--model", "128MiB", "--chunk", "2MiB"]
    command += ["--readers", "4", "--seconds", "4", "--files", str(files), "--json"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert result["failures"] == []
    assert [reader["wrong"] + reader["failed"] for reader in result["readers"]] == [0, 0, 0, 0]
    assert all(reader["read_bytes"] > 0 for reader in result["readers"])
    assert 0 < result["fullest"]["df_bytes"] <= 32 * MIB
    assert result["evicted_chunks"] > 0


def reader(**changes: int) -> dict[str, Any]:
    return {"wrong": 0, "failed": 0, "late_bytes": MIB} | changes


def test_whatever_is_amiss_is_a_failure() -> None:
    plan = Plan(10, 40, 1, 3, 1.0, 1)
    assert judge(plan, [reader()], Fullness(10, 10)) == ()
    found = judge(plan, [reader(wrong=2), reader(failed=1), reader(late_bytes=0)], Fullness(12, 11))
    assert found == (
        "reader 0: 2 pieces were wrong",
        "reader 1: 1 reads failed",
        "reader 2: stood still at the end",
        "the tier held 11 bytes and may hold 10",
    )
    assert judge(plan, [], Fullness(11, 0)) == ("the tier held 11 bytes and may hold 10",)


def test_the_fullest_moment_counts_for_each_way_of_looking() -> None:
    assert fullest([Fullness(1, 5), Fullness(3, 2), Fullness(2, 0)]) == Fullness(3, 5)
