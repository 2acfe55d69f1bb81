"""The chaos run itself: a short schedule, and what it says of it."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from benchmarks.chaos.events import Event, Kind, Schedule
from benchmarks.lab import iproute
from benchmarks.lab.leftovers import owner, prefix_of
from benchmarks.node.resources import INTERRUPTED_EXIT_CODE
from tests.programs import running

pytestmark = pytest.mark.timeout(600)

PROGRAM = "benchmarks.chaos"

EVENTS = (
    Event(at_seconds=0.5, kind=Kind.ORIGIN_ERRORS, seconds=1.0, details={"status": 500}),
    Event(at_seconds=1.0, kind=Kind.OVERWRITE, details={"name": "model-00001.safetensors"}),
    Event(at_seconds=1.5, kind=Kind.ROTATE),
    Event(at_seconds=2.0, kind=Kind.PARTITION, seconds=1.0, details={"groups": [[0], [1, 2]]}),
    Event(at_seconds=2.0, kind=Kind.LIES, seconds=2.0, node=0),
    Event(
        at_seconds=2.5, kind=Kind.STORE_FAULT, seconds=2.0, node=2,
        details={"label": "store.data_write", "kind": "errno", "errno": "ENOSPC", "ratio": 0.5},
    ),
    Event(at_seconds=3.0, kind=Kind.ORIGIN_RESETS, seconds=1.0, details={"after_bytes": 100_000}),
    Event(at_seconds=3.0, kind=Kind.KILL, node=1),
    Event(at_seconds=3.0, kind=Kind.TIER_GONE, seconds=2.0, node=0),
    Event(at_seconds=4.0, kind=Kind.EVICT, node=0),
    Event(at_seconds=4.5, kind=Kind.KEEPER_KILLED, node=2),
    Event(at_seconds=5.0, kind=Kind.REPLACE, node=2),
)  # fmt: skip
SCHEDULE = Schedule(seed=0, seconds=8.0, redis=False, liar=0, events=EVENTS)


def traces(pid: int) -> list[str]:
    """Namespaces and mounts of the run of one process."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if prefix_of(pid) in line]
    return mounts + [name for name in iproute.namespaces() if owner(name) == pid]


def test_readers_see_nothing_of_a_schedule_of_faults(tmp_path: Path) -> None:
    (tmp_path / "events.json").write_text(SCHEDULE.dumps())
    with running(
        PROGRAM, ["--events", str(tmp_path / "events.json"), "--save", str(tmp_path / "saved"), "--json"]
    ) as process:
        output, progress = process.communicate()
    assert process.returncode == 0, output + progress
    result = json.loads(output)
    assert result["good"] is True
    assert (result["wrong"], result["unexcused"], result["failures"]) == ([], [], [])
    assert result["events"] == {str(kind): 1 for kind in {event.kind for event in EVENTS}}
    assert all(reader["passed"] for reader in result["readers"].values())
    assert len(result["readers"]) == 12
    assert result["restarts"] == 2
    assert traces(process.pid) == []


def test_an_interrupt_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    with running(PROGRAM, ["--minutes", "1", "--save", str(tmp_path)]) as process:
        assert process.stderr is not None
        assert any("overwrite" in line or "origin" in line for line in process.stderr)
        os.killpg(process.pid, signal.SIGINT)
        process.communicate()
    assert process.returncode == INTERRUPTED_EXIT_CODE
    assert traces(process.pid) == []
