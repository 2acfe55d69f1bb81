"""The keeper and mounts: what dies with whom."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuse.mounted import PATIENCE_SECONDS
from tests.fuse.succession import Succession, succession


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Succession]:
    with succession(tmp_path) as made:
        (made.source / "file").write_bytes(b"content")
        yield made


def refused(path: Path) -> int | None:
    """The errno of an open."""
    try:
        path.read_bytes()
    except OSError as error:
        return error.errno
    return None


def test_the_death_of_the_keeper_is_not_noticed_while_a_daemon_lives(line: Succession) -> None:
    keeper = line.keeper()
    daemon = line.daemon()
    line.kill(keeper)
    assert (line.mount / "file").read_bytes() == b"content"
    assert line.socket.exists()
    line.keeper()  # in place of the stale socket
    line.ask(daemon, "put")
    line.kill(daemon)
    daemon = line.daemon()
    assert (line.mount / "file").read_bytes() == b"content"
    assert line.end(daemon) == ""


def test_when_both_are_dead_readers_are_told(line: Succession) -> None:
    keeper = line.keeper()
    daemon = line.daemon()
    line.kill(daemon)
    keeper.terminate()
    log = keeper.communicate(timeout=PATIENCE_SECONDS)[1]
    assert keeper.returncode == 0
    assert "closes mount/m: the keeper ends; if no daemon has it, its readers get ENOTCONN" in log
    assert not line.socket.exists()
    assert refused(line.mount / "file") == errno.ENOTCONN
    assert os.system(f"umount {line.mount}") == 0


def test_readers_do_not_wait_for_ever_for_a_daemon(line: Succession) -> None:
    keeper = line.keeper("--orphan-seconds", "0.2")
    daemon = line.daemon()
    assert refused(line.mount / "file") is None
    line.kill(daemon)
    assert refused(line.mount / "file") in {errno.ENOTCONN, errno.ECONNABORTED}
    keeper.terminate()
    assert "closes mount/m: no daemon for 0.2 s" in keeper.communicate(timeout=PATIENCE_SECONDS)[1]


def test_a_mount_that_is_stopped_is_gone_for_good(line: Succession) -> None:
    line.keeper()
    assert line.end(line.daemon()) == ""
    assert not line.mount.exists()
    daemon = line.daemon()
    assert (line.mount / "file").read_bytes() == b"content"
    assert line.end(daemon) == ""
