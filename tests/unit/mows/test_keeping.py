"""The daemon's client of the keeper: what is kept is kept again by a keeper that was started anew."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mows.errors import KeeperUnavailable
from mows.keeping import Keeper, Keeping
from tests.unit.mows.test_keeper import PATIENCE_SECONDS, Running
from tests.waiting import eventually

POLL_SECONDS = 0.01


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Running]:
    keeper = started(tmp_path)
    yield keeper
    if keeper.process.poll() is None:
        keeper.end()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Keeper]:
    client = Keeper(tmp_path / "keeper.sock", PATIENCE_SECONDS)
    yield client
    client.close()


@pytest.fixture
def fd() -> Iterator[int]:
    fd = os.memfd_create("mows-test")
    yield fd
    os.close(fd)


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    keeping = Keeping(Keeper(tmp_path / "keeper.sock", PATIENCE_SECONDS), POLL_SECONDS)
    yield keeping
    keeping.close()


def started(path: Path) -> Running:
    keeper = Running(path)
    keeper.wait_for("holds descriptors")
    return keeper


def holds(client: Keeper, names: list[str]) -> None:
    eventually(lambda: client.names() == names, f"the keeper holds {names}")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_put_take_drop(keeper: Running, client: Keeper, fd: int) -> None:
    before = descriptors()
    client.put("a", fd, {"path": "/x", "n": 1})
    taken = client.take("a")
    assert taken is not None
    assert os.fstat(taken[0]).st_ino == os.fstat(fd).st_ino
    assert taken[1] == {"path": "/x", "n": 1}
    os.close(taken[0])
    assert client.take("b") is None
    client.drop("a")
    assert client.names() == []
    client.close()
    assert descriptors() == before


def test_a_keeper_that_is_not_there(client: Keeper, fd: int) -> None:
    with pytest.raises(KeeperUnavailable, match=r"daemon\.keeper: .*keeper\.sock: .*No such file") as caught:
        client.names()
    assert caught.value.retryable
    assert "python -m mows.keeper" in caught.value.hint


def test_a_refusal_is_an_error(keeper: Running, client: Keeper, fd: int) -> None:
    with pytest.raises(KeeperUnavailable, match=r"refused: .*a note 65536"):
        client.put("a", fd, {"x": "x" * (1 << 16)})
    with pytest.raises(KeeperUnavailable, match="Message too long"):
        client.put("a", fd, {"x": "x" * (1 << 20)})
    client.put("a", fd, {})


def test_the_client_connects_again(keeper: Running, client: Keeper, fd: int, tmp_path: Path) -> None:
    client.put("a", fd, {})
    keeper.end(signal.SIGKILL)
    with pytest.raises(KeeperUnavailable):
        client.names()
    again = started(tmp_path)
    assert client.names() == []
    again.end()


def test_a_keeper_that_is_silent_costs_the_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "keeper.sock"))
        listener.listen()
        with pytest.raises(KeeperUnavailable, match="timed out"):
            Keeper(tmp_path / "keeper.sock", 0.01).names()


def test_a_keeper_that_talks_nonsense(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "keeper.sock"))
        listener.listen()
        client = Keeper(tmp_path / "keeper.sock", PATIENCE_SECONDS)

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.send(b"what?")

        answering = threading.Thread(target=answer)
        answering.start()
        with pytest.raises(KeeperUnavailable, match="Expecting value"):
            client.names()
        answering.join()


def test_a_new_keeper_is_given_everything(
    keeper: Running, client: Keeper, keeping: Keeping, fd: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeping.start()
    assert keeping.connected
    keeping.put("a", fd, {"n": 1})
    keeping.put("b", fd, {"n": 2})
    keeper.end(signal.SIGKILL)
    keeping.drop("a")
    keeping.put("c", fd, {"n": 3})
    lost = not keeping.connected
    again = started(tmp_path)
    holds(client, ["b", "c"])
    taken = keeping.take("c")
    assert taken is not None
    os.close(taken[0])
    assert taken[1] == {"n": 3}
    assert lost
    assert keeping.connected
    assert caplog.text.count("start the keeper") == 1
    assert caplog.text.count("the keeper is back") == 1
    keeping.close()
    assert client.names() == ["b", "c"]
    again.end()


@pytest.mark.expects_warnings
def test_supplying_tells_whether_the_keeper_holds_everything_now(
    keeper: Running, client: Keeper, keeping: Keeping, fd: int, tmp_path: Path
) -> None:
    """What a daemon asks before it lets go of its mounts: the keeper may have died since it was asked last."""
    keeping.put("a", fd, {})
    assert keeping.supply()
    client.drop("a")
    assert keeping.supply()
    assert client.names() == ["a"]
    keeper.end(signal.SIGKILL)
    assert not keeping.supply()
    again = started(tmp_path)
    assert keeping.supply()
    keeping.close()
    again.end()


def test_a_keeper_that_comes_later(
    client: Keeper, keeping: Keeping, fd: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeping.start()
    assert not keeping.connected
    keeping.put("a", fd, {})
    with pytest.raises(KeeperUnavailable):
        keeping.names()
    keeper = started(tmp_path)
    holds(client, ["a"])
    assert "start the keeper" in caplog.text
    keeper.end()


def test_what_a_daemon_before_left_stays_until_it_is_dropped(
    keeper: Running, client: Keeper, keeping: Keeping, fd: int
) -> None:
    client.put("old", fd, {})
    keeping.start()
    keeping.put("new", fd, {})
    assert keeping.names() == ["new", "old"]
    keeping.drop("old")
    keeping.put("new", fd, {"n": 2})
    assert client.names() == ["new"]


def test_a_name_that_is_put_again_replaces_what_it_was(keeper: Running, keeping: Keeping, fd: int) -> None:
    before = descriptors()
    keeping.start()
    for _ in range(3):
        keeping.put("a", fd, {})
    keeping.drop("a")
    keeping.drop("a")
    keeping.close()
    keeping.close()
    assert descriptors() == before
