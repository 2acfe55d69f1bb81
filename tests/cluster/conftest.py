"""Fixtures of this ring."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.node.daemon import Daemon
from cli import main
from cli.exit_codes import ExitCode


@pytest.fixture
def mows(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command against a daemon; what it printed."""

    def run(daemon: Daemon, *words: str, code: ExitCode = ExitCode.OK) -> str:
        capsys.readouterr()
        assert main([*words, "--socket", str(daemon.socket)]) == code
        return capsys.readouterr().out

    return run
