"""Plans of faults: what happens to which call, how often, and what a file that is no plan does."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cachefs.faults import FIRED_VARIABLE, PLAN_VARIABLE, Fault, Faults, PlannedFaults, planned
from mows.errors import ConfigError
from mows.faults import LABELS, planned_faults
from tests.fired import journal


def write(path: Path, *faults: dict[str, object], seed: int = 1) -> Path:
    """A new plan in place of the old one, as the chaos run replaces it."""
    aside = path.with_name("aside")
    aside.write_text(json.dumps({"seed": seed, "faults": faults}))
    aside.rename(path)
    return path


def failures(faults: Faults, label: str, calls: int) -> list[bool]:
    """For each of `calls` calls, whether it failed."""
    found = []
    for _ in range(calls):
        try:
            faults.check(label)
            found.append(False)
        except OSError:
            found.append(True)
    return found


def test_without_a_plan_nothing_happens() -> None:
    faults = Faults()
    faults.check("store.data_write")
    assert faults.cut("store.data_write", 7) == 7
    assert faults.time() == pytest.approx(time.time(), abs=60)
    assert planned({}, LABELS) is None


def test_an_errno_for_the_calls_of_its_label(tmp_path: Path) -> None:
    fault: dict[str, object] = {"label": "store.data_*", "kind": "errno", "errno": "ENOSPC"}
    faults = PlannedFaults(write(tmp_path / "plan", fault))
    with pytest.raises(OSError, match="No space") as caught:
        faults.check("store.data_write")
    assert caught.value.errno == errno.ENOSPC
    faults.check("store.index_bit")


def test_times_and_skip_count_calls(tmp_path: Path) -> None:
    faults = PlannedFaults(write(tmp_path / "plan", {"label": "a", "kind": "errno", "skip": 2, "times": 2}))
    assert failures(faults, "a", 6) == [False, False, True, True, False, False]


def test_a_ratio_is_the_same_for_the_same_seed_and_label(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan", {"label": "*", "kind": "errno", "ratio": 0.5}, seed=7)
    first, again = PlannedFaults(plan), PlannedFaults(plan)
    failures(again, "b", 3)  # other labels do not disturb
    found = failures(first, "a", 64)
    assert found == failures(again, "a", 64)
    assert 0 < sum(found) < 64
    write(plan, {"label": "*", "kind": "errno", "ratio": 0.5}, seed=8)
    assert found != failures(PlannedFaults(plan), "a", 64)


def test_a_new_plan_is_taken_up_and_counts_go_on_for_what_stays(tmp_path: Path) -> None:
    once = {"label": "a", "kind": "errno", "times": 1}
    faults = PlannedFaults(write(tmp_path / "plan", once))
    assert failures(faults, "a", 2) == [True, False]
    write(tmp_path / "plan", once, {"label": "b", "kind": "errno"})
    assert failures(faults, "a", 1) == [False]
    assert failures(faults, "b", 1) == [True]
    write(tmp_path / "plan")
    assert failures(faults, "b", 1) == [False]
    write(tmp_path / "plan", once)
    assert failures(faults, "a", 2) == [True, False]


@pytest.mark.expects_warnings
def test_a_plan_that_cannot_be_read_leaves_the_old_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    faults = PlannedFaults(write(tmp_path / "plan", {"label": "a", "kind": "errno"}))
    (tmp_path / "plan").write_text("{")
    assert failures(faults, "a", 2) == [True, True]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_short_call_moves_half_and_at_least_one_byte(tmp_path: Path) -> None:
    faults = PlannedFaults(write(tmp_path / "plan", {"label": "a", "kind": "short"}))
    assert [faults.cut("a", size) for size in (9, 2, 1, 0)] == [5, 1, 1, 0]
    faults.check("a")  # a call that moves nothing cannot be short


def test_slow_sleeps(tmp_path: Path) -> None:
    faults = PlannedFaults(write(tmp_path / "plan", {"label": "a", "kind": "slow", "seconds": 0.05}))
    began = time.monotonic()
    faults.check("a")
    assert time.monotonic() - began >= 0.05


async def test_on_the_loop_it_sleeps_without_blocking_it(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan", {"label": "a", "kind": "slow", "seconds": 0.01}, {"label": "b", "kind": "errno"})
    faults = PlannedFaults(plan)
    await faults.check_on_loop("a")
    await faults.check_on_loop("c")
    with pytest.raises(OSError, match="Input/output"):
        await faults.check_on_loop("b")


def test_the_clock_jumps_both_ways(tmp_path: Path) -> None:
    faults = PlannedFaults(
        write(tmp_path / "plan", {"label": "clock", "kind": "jump", "seconds": -7200}), fired=journal()
    )
    assert faults.time() == pytest.approx(time.time() - 7200, abs=600)
    write(tmp_path / "plan", {"label": "clock", "kind": "jump", "seconds": 7200})
    assert faults.time() == pytest.approx(time.time() + 7200, abs=600)
    write(tmp_path / "plan")
    assert faults.time() == pytest.approx(time.time(), abs=600)


def test_kill_ends_the_process_and_the_line_is_written_before(tmp_path: Path) -> None:
    plan = write(tmp_path / "plan", {"label": "a", "kind": "kill"})
    code = f"""
from pathlib import Path
from cachefs.faults import PlannedFaults
PlannedFaults(Path({str(plan)!r}), fired=Path({str(tmp_path / "fired")!r})).check("a")
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "fired").read_text() == "a kill\n"


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        ({"label": "store.data_write", "kind": "explode"}, "kind 'explode'"),
        ({"label": "store.data_write", "kind": "errno", "errno": "EWRONG"}, "errno 'EWRONG'"),
        ({"label": "store.data_write", "kind": "errno", "ratio": 2}, "ratio 2"),
        ({"label": "store.data_write", "kind": "errno", "often": 2}, "has no often"),
        ({"label": "store.data_wirte", "kind": "errno"}, "no call has the label"),
    ],
)
def test_a_daemon_does_not_start_with_a_plan_that_means_nothing(
    tmp_path: Path, fault: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint) as caught:
        planned_faults({PLAN_VARIABLE: str(write(tmp_path / "plan", fault))})
    assert "unset MOWS_FAULTS" in caught.value.hint


@pytest.mark.expects_warnings
def test_a_daemon_with_a_plan_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plan = write(tmp_path / "plan", {"label": "store.*", "kind": "errno"})
    faults = planned_faults({PLAN_VARIABLE: str(plan), FIRED_VARIABLE: str(tmp_path / "fired")})
    assert faults is not None
    assert "fails on purpose" in caplog.text
    assert faults.draw("store.touch") == Fault("store.*", "errno")
    assert (tmp_path / "fired").read_text() == "store.touch errno\n"
