"""Two daemons never share one state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mows.errors import ConfigError, DaemonRunning
from mows.state_dir import LOCK_NAME, locked


def test_the_second_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    directory = tmp_path / "made" / "by" / "us"
    with (
        locked(directory),
        pytest.raises(DaemonRunning, match=f"{directory}.*process id {os.getpid()}"),
        locked(directory),
    ):
        pass
    with locked(directory):
        assert (directory / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_file_that_a_crash_left_locks_nobody_out(tmp_path: Path) -> None:
    (tmp_path / LOCK_NAME).write_text("999999\n")
    with locked(tmp_path):
        assert (tmp_path / LOCK_NAME).read_text() == f"{os.getpid()}\n"


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"node\.state_dir: .*: Not a directory"), locked(tmp_path / "file" / "state"):
        pass
