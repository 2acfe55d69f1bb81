"""What holds for every test: nothing outlives it, and nothing is logged as a warning that it did not ask for."""

from __future__ import annotations

import inspect
import logging
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from benchmarks.lab.leftovers import owner
from cachefs.faults import FIRED_VARIABLE
from mows.faults import LABELS
from tests.fired import fired

SETTLE_SECONDS = 30.0
"""How long a thread or mount that is ending may take to be gone; only a leak waits that long."""

OURS = ("cachefs", "peer", "mows", "cli")

THREAD_PREFIX = "mows-"
"""Every thread that the project starts has such a name. Libraries keep others for the life of the process."""

settings.register_profile("mows", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mows")  # no test fails because a machine is slow

NAMESPACES = "/run/netns"
"""Where ``ip netns`` keeps namespaces; it makes a mount of the directory when it makes the first, for good."""


def mounts() -> set[str]:
    """Mount points of this machine, without those of labs that other processes run at the same time."""
    targets = {line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()}
    return {target for target in targets - {NAMESPACES} if not _of_another_run(target)}


def _of_another_run(target: str) -> bool:
    return not {owner(part) for part in Path(target).parts} <= {None, os.getpid()}


def threads() -> set[threading.Thread]:
    """Threads that somebody must end."""
    return {thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)}


@pytest.fixture(autouse=True)
def nothing_outlives_a_test() -> Iterator[None]:
    """No thread and no mount is left behind, except by fixtures of a wider scope that are still alive."""
    running, mounted = threads(), mounts()
    yield
    end = time.monotonic() + SETTLE_SECONDS
    while (left := _left(running, mounted)) and time.monotonic() < end:
        time.sleep(0.01)
    assert not left, f"left behind: {left}"


def _left(running: set[threading.Thread], mounted: set[str]) -> list[str]:
    return sorted([thread.name for thread in threads() - running] + list(mounts() - mounted))


@pytest.fixture(autouse=True)
def no_unexpected_warning(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A WARNING or ERROR in our logs fails a test.

    Unless the test reads the log itself (asks for `caplog`), is marked ``expects_warnings``, or is of the fault ring,
    where they are the rule.
    """
    yield
    reads_the_log = "caplog" in inspect.signature(request.function).parameters
    if reads_the_log or "fault" in request.path.parts or request.node.get_closest_marker("expects_warnings"):
        return
    records = [r for r in caplog.get_records("call") if r.levelno >= logging.WARNING and r.name.startswith(OURS)]
    assert not records, f"logged, but not expected: {[record.getMessage() for record in records]}"


def pytest_configure(config: pytest.Config) -> None:
    """All processes of a run note in one file which planned faults happened."""
    if FIRED_VARIABLE not in os.environ:
        directory = tempfile.TemporaryDirectory(prefix="mows-fired-")
        config.add_cleanup(directory.cleanup)
        config.add_cleanup(lambda: os.unsetenv(FIRED_VARIABLE))
        os.environ[FIRED_VARIABLE] = str(Path(directory.name) / "fired")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """After a whole run: the labels of faults that no test made happen. There should be none."""
    if config.option.keyword or config.option.markexpr or config.args != config.getini("testpaths"):
        return
    idle = sorted(LABELS - fired(Path(os.environ[FIRED_VARIABLE])))
    terminalreporter.write_line(f"fault labels that no test fires: {', '.join(idle) or 'none'} (of {len(LABELS)})")
