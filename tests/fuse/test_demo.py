"""`make demo`, small: it works, and it leaves nothing behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from benchmarks.node.resources import INTERRUPTED_EXIT_CODE
from benchmarks.node.scratch import MEMORY
from tests.programs import running

SMALL = ("--size", "24MiB", "--shards", "3", "--processes", "2")
STEPS = ("write the model", "start OSS", "start the daemon", "mount", "load cold", "load warm", "unmount", "stop")


def demo() -> AbstractContextManager[subprocess.Popen[str]]:
    return running("benchmarks.demo", SMALL)


def traces() -> set[str]:
    """Mounts, scratch directories and processes of any demo."""
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "mows-demo-" in line]
    homes = (MEMORY, Path(tempfile.gettempdir()))
    directories = [str(path) for home in homes for path in home.glob("mows-demo-*")]
    return {*mounts, *directories, *(command for command in _commands() if "mows-demo-" in command)}


def _commands() -> Iterator[str]:
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            yield (directory / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_the_demo_succeeds_and_leaves_nothing() -> None:
    before = traces()
    with demo() as process:
        output, progress = process.communicate()
    assert process.returncode == 0, progress
    assert "every digest matched" in output
    assert traces() == before
    rows = {match[1].strip(): match[0] for match in re.finditer(r"^│ ([^│]+)│.*$", output, re.MULTILINE)}
    assert "yes" in rows["load warm"]
    assert " 0.0 MiB" in rows["load warm"]
    assert " 0.0 MiB" not in rows["load cold"]


@pytest.mark.parametrize("step", STEPS)
def test_an_interrupt_at_any_step_leaves_nothing(step: str) -> None:
    before = traces()
    with demo() as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(step):
                break
        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate()
    late = step == STEPS[-1]  # all work may be done by the time the signal arrives
    assert process.returncode == INTERRUPTED_EXIT_CODE or (late and process.returncode == 0), output
    assert traces() == before


def test_further_interrupts_while_it_cleans_up_do_not_stop_that() -> None:
    before = traces()
    with demo() as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("load cold"):
                break
        while process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        process.communicate()
    # Once everything is cleaned up, a further interrupt ends the interpreter as it ends any other program.
    assert process.returncode in {INTERRUPTED_EXIT_CODE, -signal.SIGINT}
    assert traces() == before
