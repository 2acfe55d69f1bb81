"""A whole daemon and its keeper as processes: which of the two dies when, and what readers notice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuse.daemon_process import WAIT_SECONDS, Home, Process, is_mounted, running
from tests.fuse.mounted import child, finish, line_of, tell
from tests.fuse.test_fuse_takeover import DIRECT, digest
from tests.waiting import eventually

CONTENT = bytes(range(256)) * 4096


@dataclass
class Pair:
    """The home of a daemon whose keeper is started and killed by the test."""

    home: Home
    socket: Path

    @contextmanager
    def keeper(self, prefix: Sequence[str] = ()) -> Iterator[subprocess.Popen[bytes]]:
        """A keeper that answers, killed at the end."""
        command = [*prefix, sys.executable, "-m", "mows.keeper", "--socket", str(self.socket)]
        keeper = subprocess.Popen(command, stderr=subprocess.PIPE)
        assert keeper.stderr is not None
        assert b"holds descriptors" in keeper.stderr.readline()
        try:
            yield keeper
        finally:
            keeper.kill()
            keeper.communicate()

    @property
    def file(self) -> Path:
        return self.home.mounts / "m" / "x"

    def log(self, level: str) -> list[dict[str, object]]:
        """The lines of this level."""
        lines = map(json.loads, (self.home.path / "log").read_text().splitlines())
        return [line for line in lines if line["level"] == level]


def says(daemon: Process, sample: str) -> bool:
    return sample in daemon.http.get("/metrics").text.splitlines()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    socket = tmp_path / "keeper.sock"
    # Not in passthrough: a file that the kernel reads alone would not tell whether there is a daemon.
    home = Home(tmp_path / "home", {"daemon": {"keeper": str(socket)}, "fuse": {"passthrough": "off"}})
    (home.source / "x").write_bytes(CONTENT)
    yield Pair(home, socket)
    assert not is_mounted(home.mounts / "m")


def test_a_daemon_gives_its_mounts_to_a_new_keeper(pair: Pair) -> None:
    with running(pair.home) as first:
        with pair.keeper():
            eventually(lambda: says(first, "mows_keeper_connected 1.0"), "the keeper is there")
            first.put_mount()
            reader = child(DIRECT, pair.file)
            line_of(reader)
        eventually(lambda: says(first, "mows_keeper_connected 0.0"), "the keeper is gone")
        assert "start the keeper" in str(pair.log("WARNING"))
        with pair.keeper():
            eventually(lambda: says(first, "mows_keeper_connected 1.0"), "the keeper is there")
            first.stop(signal.SIGKILL)
            tell(reader, "4096")
            with running(pair.home) as second:
                assert line_of(reader) == digest(CONTENT[4096:8192])
                assert finish(reader)[0] == 0
                assert says(second, "mows_mounts_adopted_total 1.0")
                assert second.stop(signal.SIGINT) == 0


def test_a_daemon_whose_keeper_has_just_died_unmounts_instead_of_leaving(pair: Pair) -> None:
    with pair.keeper() as keeper, running(pair.home) as daemon:
        daemon.put_mount()
        keeper.kill()
        keeper.wait()
        assert daemon.stop() == 0
        assert not is_mounted(pair.home.mounts / "m")
        assert not (pair.home.path / "state" / "mounts" / "m").exists()


@pytest.mark.parametrize("again", [True, False])
def test_a_mount_that_died_with_both_is_mounted_anew_and_the_log_says_so(pair: Pair, again: bool) -> None:
    with pair.keeper(), running(pair.home) as first:
        first.put_mount()
        first.stop(signal.SIGKILL)
    if not again:
        with running(pair.home) as second:
            assert_mounted_anew(pair, second)
        return
    with pair.keeper(), running(pair.home) as second:
        assert_mounted_anew(pair, second)


def assert_mounted_anew(pair: Pair, daemon: Process) -> None:
    assert pair.file.read_bytes() == CONTENT
    assert says(daemon, "mows_mounts_adopted_total 0.0")
    lost = [line for line in pair.log("WARNING") if "is lost, and mounted anew" in str(line["message"])]
    assert [(line["mount"], line["code"]) for line in lost] == [("m", "keeper_unavailable")]
    assert daemon.stop(signal.SIGINT) == 0


OWN_PROCESSES = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
IN_A_POD = (*OWN_PROCESSES, "--mount", "--propagation", "unchanged")
"""Process ids and mounts of its own. What it mounts below a shared mount is seen outside, and nothing else is."""
ALONE = (*OWN_PROCESSES, "--mount", "--propagation", "private")


@pytest.fixture
def bidirectional(pair: Pair) -> Iterator[None]:
    """The mounts directory is as a volume with `mountPropagation: Bidirectional`."""
    subprocess.run(["mount", "--bind", pair.home.mounts, pair.home.mounts], check=True)
    subprocess.run(["mount", "--make-shared", pair.home.mounts], check=True)
    yield
    subprocess.run(["umount", pair.home.mounts], check=True)


@pytest.mark.usefixtures("bidirectional")
def test_a_container_of_the_daemon_dies_and_readers_of_the_node_go_on(pair: Pair) -> None:
    """Keeper and daemon as containers of one pod: they share a directory for the socket, and nothing else."""
    with pair.keeper(ALONE), running(pair.home, prefix=IN_A_POD) as first:
        first.put_mount()
        reader = child(DIRECT, pair.file)
        line_of(reader)
        first.stop(signal.SIGKILL)
        assert inner(first) == []
        tell(reader, "4096")
        with running(pair.home, prefix=IN_A_POD) as second:
            assert line_of(reader) == digest(CONTENT[4096:8192])
            assert finish(reader)[0] == 0
            assert says(second, "mows_mounts_adopted_total 1.0")
            (daemon,) = inner(second)
            os.kill(daemon, signal.SIGINT)
            assert second.child.wait(WAIT_SECONDS) == 0


def inner(daemon: Process) -> list[int]:
    """What runs in the namespaces of a daemon."""
    pid = daemon.child.pid
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []
