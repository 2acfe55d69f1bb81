"""Children that end, hang, and talk."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from benchmarks.node.processes import Child, ChildFailed

FOREVER = "import time\nwhile True: time.sleep(60)"
DEAF = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\n{FOREVER}"
FAILING = "import sys; sys.exit('the disk is on fire')"
ECHO = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"


def child(code: str, tmp_path: Path, *, piped: bool = False, stop_seconds: float = 20.0) -> Child:
    return Child("child", [sys.executable, "-c", code], tmp_path, piped=piped, stop_seconds=stop_seconds)


def test_leaving_ends_the_process(tmp_path: Path) -> None:
    with child(FOREVER, tmp_path) as running:
        assert running.process.poll() is None
    assert running.process.returncode is not None


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    with child(DEAF, tmp_path, piped=True, stop_seconds=0.1) as running:
        assert running.hear() == "deaf"
    assert running.process.returncode == -9


def test_killing_ends_it_at_once_and_may_be_repeated(tmp_path: Path) -> None:
    with child(DEAF, tmp_path, piped=True) as running:
        assert running.hear() == "deaf"
        running.kill()
        running.kill()
        assert running.process.returncode == -9


def test_it_leads_a_process_group_of_its_own(tmp_path: Path) -> None:
    with child(FOREVER, tmp_path) as running:
        assert os.getpgid(running.pid) == running.pid != os.getpgrp()


def test_a_piped_child_hears_and_answers(tmp_path: Path) -> None:
    with child(ECHO, tmp_path, piped=True) as running:
        running.tell("hello")
        assert running.hear() == "HELLO"


def test_hearing_from_one_that_ended_raises_what_it_wrote(tmp_path: Path) -> None:
    said = r"(?s)child ended without an answer \(exit status 1\).*on fire"
    with child(FAILING, tmp_path, piped=True) as running, pytest.raises(ChildFailed, match=said):
        running.hear()


def test_waiting_for_one_that_ended_raises_what_it_wrote(tmp_path: Path) -> None:
    said = r"(?s)ended before it was ready \(exit status 1\).*on fire"
    with child(FAILING, tmp_path) as running, pytest.raises(ChildFailed, match=said):
        running.wait_until(lambda: False, timeout_seconds=60)


def test_waiting_ends_with_the_time_given(tmp_path: Path) -> None:
    with child(FOREVER, tmp_path) as running, pytest.raises(ChildFailed, match=r"was not ready within 0\.01 s"):
        running.wait_until(lambda: False, timeout_seconds=0.01)


def test_an_error_while_it_runs_shows_what_it_wrote(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        with child(DEAF, tmp_path, stop_seconds=0) as running:
            running.wait_until(lambda: "deaf" in running.log.read_text(), timeout_seconds=60)
            raise LookupError("what")

    with pytest.raises(LookupError):
        work()
    assert capsys.readouterr().err == "LookupError: what; child wrote:\ndeaf\n"


def test_stopping_twice_is_stopping_once(tmp_path: Path) -> None:
    running = child(FOREVER, tmp_path)
    running.stop()
    with running:
        running.stop()
    assert running.process.returncode is not None
