"""The prewarm benchmark, short: one copy from the origin, a lease that holds, still warm without the origin."""

from __future__ import annotations

import json

import pytest

from benchmarks.node.resources import Resources
from benchmarks.prewarm.__main__ import parse, run

ARGUMENTS = ("--nodes", "3", "--size", "128MiB", "--shard", "32MiB", "--chunk", "512KiB", "--link", "800Mbit", "--json")


def test_a_fleet_stays_warm(capsys: pytest.CaptureFixture[str]) -> None:
    with Resources() as resources:
        run(resources, parse([*ARGUMENTS, "--origin", "800Mbit"]))
    result = json.loads(capsys.readouterr().out)
    assert result["origin_ratio"] < 1.5, "so short a run, on a busy machine, fetches some chunks twice; not all thrice"
    assert (result["rival_refused"], result["kept_percent"], result["wrong_files"]) == (True, 100.0, [])
