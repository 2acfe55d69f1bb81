"""The command as a process: Ctrl-C, a reader that goes away, terminals of different kinds."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from cli.exit_codes import ExitCode
from mows.mount_state import MountState
from tests.contract.fake_daemon import SOURCE, FakeDaemon, listing, mount, prewarm, serving

COMMAND = [sys.executable, "-m", "cli"]
COLOUR = re.compile(rb"\x1b\[([0-9]+;)*[39][0-7]m")


@pytest.fixture
def socket(tmp_path: Path) -> Path:
    return tmp_path / "mows.sock"


@pytest.fixture
def fake(socket: Path) -> Iterator[FakeDaemon]:
    yield from serving(socket)


def start(socket: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words, "--socket", str(socket)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def on_terminal(socket: Path, *words: str, environment: Mapping[str, str] | None = None) -> bytes:
    """What a terminal of 100 columns gets to see."""
    ours, theirs = pty.openpty()
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    environment = {**inherited, "TERM": "xterm", "COLUMNS": "100", **(environment or {})}
    process = subprocess.Popen(
        [*COMMAND, *words, "--socket", str(socket)], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    seen = b""
    # EIO is how a terminal says that its last user has gone.
    with suppress(OSError), os.fdopen(ours, "rb", buffering=0) as terminal:
        while piece := terminal.read(65536):
            seen += piece
    assert process.wait() == ExitCode.OK
    return seen


def test_ctrl_c_ends_the_wait_and_says_that_the_mount_goes_on(socket: Path, fake: FakeDaemon) -> None:
    fake.mount_script = [mount(MountState.MOUNTING)]
    process = start(socket, "mount", SOURCE, "/models/qwen3", "--id", "qwen3")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("mounting ")
    process.send_signal(signal.SIGINT)
    out, error = process.communicate()
    assert process.returncode == ExitCode.INTERRUPTED
    assert out == ""
    assert error.splitlines()[-2:] == [
        "mows: stopped waiting: the mount goes on in the daemon: qwen3 (interrupted)",
        "hint: `mows status` shows it, `mows umount qwen3` ends it",
    ]
    assert not any(method == "DELETE" for method, _, _ in fake.requests)


def test_ctrl_c_ends_the_wait_for_a_prewarm(socket: Path, fake: FakeDaemon) -> None:
    fake.prewarm_streams = [[prewarm("warming")]] * 100_000
    process = start(socket, "prewarm", SOURCE, "--wait")
    assert process.stderr is not None
    assert process.stderr.readline().startswith("warming ")
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == ExitCode.INTERRUPTED
    assert "`mows prewarm --cancel p1` ends it" in error


def test_a_reader_that_goes_away_is_no_error_message(socket: Path, fake: FakeDaemon) -> None:
    fake.listing = listing(*(f"shard-{number:05}.safetensors" for number in range(20_000)))
    process = start(socket, "ls", SOURCE)
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "shard-00000.safetensors\n"
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait() == ExitCode.BROKEN_PIPE


def test_a_terminal_gets_a_bar_that_is_gone_in_the_end(socket: Path, fake: FakeDaemon) -> None:
    fake.mount_script = [
        mount(MountState.WARMING, warm=True, local=1 << 30),
        mount(MountState.WARM, warm=True, local=2 << 30),
    ]
    seen = on_terminal(socket, "mount", SOURCE, "/models/qwen3", "--warm")
    assert "━".encode() in seen
    assert b"1.0/2.0 GiB" in seen
    assert seen.rstrip().endswith(b"warm: oss://models/qwen3/ on /models/qwen3 (9 files, 2.0 GiB)")


def test_a_terminal_gets_colours_unless_no_color_is_set(socket: Path, fake: FakeDaemon) -> None:
    fake.mounts = {"qwen3": mount(MountState.WARM)}
    assert COLOUR.search(on_terminal(socket, "status"))
    assert not COLOUR.search(on_terminal(socket, "status", environment={"NO_COLOR": "1"}))


def test_a_table_fits_the_terminal(socket: Path, fake: FakeDaemon) -> None:
    fake.mounts = {"qwen3": mount(MountState.WARM, source=SOURCE + "x" * 300)}
    seen = re.sub(rb"\x1b\[[0-9;]*m", b"", on_terminal(socket, "status")).decode()
    assert max(map(len, seen.splitlines())) <= 100
    assert "".join(seen.split()).count("x") == 300


def test_names_cannot_steer_a_terminal(socket: Path, fake: FakeDaemon) -> None:
    fake.listing = listing("a\x1b[2Jb")
    assert b"a\\x1b[2Jb" in on_terminal(socket, "ls", SOURCE)
