"""Every scenario, small: a few real daemons in real networks, whose every byte is right, and nothing of them left."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import iproute
from benchmarks.lab.leftovers import owner, prefix_of
from benchmarks.node.resources import INTERRUPTED_EXIT_CODE, Resources
from benchmarks.node.scratch import scratch
from benchmarks.scaleout.__main__ import parse, settings_from
from benchmarks.scaleout.plot import plot
from benchmarks.scaleout.run import SCENARIOS, Theatre
from tests.programs import running

PROGRAM = "benchmarks.scaleout"

SMALL = ("--nodes", "3", "--link", "400Mbit", "--origin", "400Mbit", "--model", "48MiB", "--shard", "12MiB")
FIELDS = {
    "scenario", "variant", "nodes", "model_bytes", "chunk_bytes", "link_bits_per_second",
    "origin_total_bits_per_second", "origin_client_bits_per_second", "finish_seconds", "last_seconds", "bound_seconds",
    "ratio", "origin_bytes", "origin_ratio", "peer_bytes", "uplink_balance", "duplicate_bytes", "cpu_seconds", "checks",
    "timeline",
}  # fmt: skip
"""What plots, tables and the validation of the simulator read."""


@pytest.fixture(scope="module")
def theatre() -> Iterator[Theatre]:
    """One model for all runs."""
    with Resources() as resources, resources.interruptible():
        yield Theatre(resources, resources.enter(scratch(1 << 30, prefix=prefix_of(os.getpid()))))


def traces(pid: int) -> list[str]:
    """Namespaces, mounts and processes of the labs of one process."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if prefix_of(pid) in line]
    return mounts + [name for name in iproute.namespaces() if owner(name) == pid]


def play(theatre: Theatre, scenario: str, *further: str) -> dict[str, Any]:
    result = theatre.run(settings_from(parse([scenario, *SMALL, *further])))
    assert not any("/run-" in trace or "node-" in trace for trace in traces(os.getpid()))
    return result


@pytest.mark.parametrize("scenario", sorted(SCENARIOS))
def test_every_scenario_ends_with_every_byte_right(theatre: Theatre, scenario: str, tmp_path: Path) -> None:
    result = play(theatre, scenario)
    assert set(result) >= FIELDS
    assert result["checks"] == dict.fromkeys(result["checks"], True), result["failures"] + result["wrong"]
    assert {"digests_right", "no_read_failed"} <= set(result["checks"])
    joiners = {"node-1", "node-2"} if scenario == "join" else {"node-0", "node-1", "node-2"}
    assert set(result["finish_seconds"]) == joiners
    assert all(seconds > 0 for seconds in result["finish_seconds"].values())
    plot(result, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()


def test_an_origin_that_is_unplugged_sends_nothing(theatre: Theatre) -> None:
    result = play(theatre, "join", "--seed", "1")
    assert result["origin_bytes"] == 0
    assert result["peer_bytes"] >= 2 * result["model_bytes"]


def test_nodes_that_find_each_other_by_redis_exchange_chunks(theatre: Theatre) -> None:
    result = play(theatre, "cold", "--discovery", "redis")
    assert result["checks"]["digests_right"]
    assert result["peer_bytes"] > 0


def test_t1_is_measured_with_one_node(theatre: Theatre) -> None:
    settings = settings_from(parse(["cold", *SMALL]))
    alone, result = theatre.run_with_alone(replace(settings, nodes=2))
    assert (alone["nodes"], result["nodes"]) == (1, 2)
    assert result["alone_measured"]
    assert result["alone_seconds"] == alone["last_seconds"]


def test_the_program_prints_a_run_and_ends_well(tmp_path: Path) -> None:
    with running(PROGRAM, ["cold", *SMALL, "--plot", str(tmp_path / "plot.svg")]) as process:
        output, progress = process.communicate()
        assert process.returncode == 0, progress
    assert re.search(r"last .* s; bound .* s; ratio", output)
    assert (tmp_path / "plot.svg").exists()
    assert traces(process.pid) == []


def test_an_interrupt_in_the_middle_leaves_nothing() -> None:
    with running(PROGRAM, ["cold", *SMALL]) as process:
        assert process.stderr is not None
        assert any(line.startswith("write the model") for line in process.stderr)
        while not traces(process.pid):
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert process.returncode == INTERRUPTED_EXIT_CODE
    assert traces(process.pid) == []
