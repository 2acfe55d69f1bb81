"""The keeper as a process: nothing that a client does ends it, and nothing that is held is lost."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from mows.keeper import CLIENTS, DESCRIPTORS, HELD_NAMES, NAME_BYTES, NOTE_BYTES

PATIENCE_SECONDS = 60.0

CONNECT = """
import os, socket, sys
os.chdir(sys.argv[1])
os.setuid(int(sys.argv[2]))
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.connect("keeper.sock")
try:
    client.send(b'{"op": "list"}')
    print(client.recv(1000))
except ConnectionError:
    print(b"")
"""


DISTRACTED = """
import signal, threading
from mows import keeper
threading.Thread(target=threading.Event().wait, daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
keeper.main()
"""
"""A keeper whose waits no signal interrupts, since another thread receives it. So it is, without that thread, with one
that comes after Python looked for signals and before the wait begins."""


class Running:
    """A keeper, and what it says."""

    def __init__(self, path: Path, *options: str, program: Sequence[str] = ("-m", "mows.keeper")) -> None:
        self.socket = path / "keeper.sock"
        command = [sys.executable, *program, "--socket", str(self.socket), *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.log = ""

    def wait_for(self, text: str) -> None:
        """Read its log until `text` is there."""
        assert self.process.stderr is not None
        while text not in self.log:
            line = self.process.stderr.readline()
            assert line, f"{text!r} is not in {self.log!r}"
            self.log += line

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal; the exit status."""
        self.process.send_signal(number)
        try:
            self.log += self.process.communicate(timeout=PATIENCE_SECONDS)[1]
        finally:
            self.process.kill()
            self.process.wait()
        return self.process.returncode


class Client:
    """Speaks the protocol by hand."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(PATIENCE_SECONDS)
        self.socket.connect(str(path))

    def ask(self, request: object, fds: Sequence[int] = ()) -> dict[str, Any]:
        data = request if isinstance(request, bytes) else json.dumps(request).encode()
        socket.send_fds(self.socket, [data], fds)
        answer, self.fds, _, _ = socket.recv_fds(self.socket, 1 << 17, 10)
        reply: dict[str, Any] = json.loads(answer)
        return reply


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Running]:
    keeper = Running(tmp_path)
    keeper.wait_for("holds descriptors")
    yield keeper
    if keeper.process.poll() is None:
        assert keeper.end() == 0
    assert "Traceback" not in keeper.log


@pytest.fixture
def client(keeper: Running) -> Iterator[Client]:
    client = Client(keeper.socket)
    yield client
    client.socket.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose read end tells by its end of file that the last copy of the write end is closed."""
    ends = os.pipe()
    yield ends
    for fd in ends:
        with contextlib.suppress(OSError):  # most tests close the write end
            os.close(fd)


def give(client: Client, write_end: int, name: str = "a") -> None:
    assert client.ask({"op": "put", "name": name, "note": {"n": 1}}, [write_end]) == {"ok": True}
    os.close(write_end)


def test_what_is_put_can_be_taken_again_and_again(client: Client, pipe: tuple[int, int]) -> None:
    give(client, pipe[1])
    for number in range(3):
        assert client.ask({"op": "get", "name": "a"}) == {"ok": True, "note": {"n": 1}}
        (copy,) = client.fds
        os.write(copy, bytes([number]))
        os.close(copy)
        assert os.read(pipe[0], 9) == bytes([number])
    assert client.ask({"op": "list"}) == {"ok": True, "names": ["a"]}
    assert client.ask({"op": "get", "name": "b"}) == {"ok": True, "note": None}


def test_what_is_dropped_or_replaced_is_closed(client: Client, pipe: tuple[int, int]) -> None:
    give(client, pipe[1])
    other = os.memfd_create("other")
    give(client, other)
    assert os.read(pipe[0], 9) == b""
    assert client.ask({"op": "drop", "name": "a"}) == {"ok": True}
    assert client.ask({"op": "drop", "name": "a"}) == {"ok": True}
    assert client.ask({"op": "list"}) == {"ok": True, "names": []}


@pytest.mark.parametrize(
    "request_",
    [
        b"\xff\x00", b"[1]", b"{", b"[" * 60_000,
        {"op": "put", "name": "a"}, {"op": "put", "name": 1, "note": {}}, {"op": "put", "name": "a", "note": []},
        {"op": "put", "name": "a" * NAME_BYTES, "note": {}},
        {"op": "put", "name": "a", "note": {"x": "x" * NOTE_BYTES}},
        {"op": "get"}, {"op": "steal"}, {}, {"op": "list"}, {"op": "get", "name": "a"}, {"op": "drop", "name": "a"},
    ],
    ids=lambda request: str(request)[:40],
)  # fmt: skip
def test_a_wrong_request_is_refused_and_its_descriptors_are_closed(
    client: Client, pipe: tuple[int, int], request_: object
) -> None:
    """The last three would be right without a descriptor."""
    answer = client.ask(request_, [pipe[1]])
    assert answer["ok"] is False
    assert answer["error"]
    os.close(pipe[1])
    assert os.read(pipe[0], 9) == b""
    assert client.ask({"op": "list"}) == {"ok": True, "names": []}


def test_limits(client: Client) -> None:
    fd = os.memfd_create("x")
    put = {"op": "put", "name": "a", "note": {}}
    assert client.ask(put)["ok"] is False
    assert client.ask(put, [fd] * (DESCRIPTORS + 1))["ok"] is False
    assert client.ask(b" " * 100_000)["ok"] is False
    note = {"x": "x" * (NOTE_BYTES - 9)}
    assert client.ask(put | {"note": note}, [fd] * DESCRIPTORS) == {"ok": True}
    assert client.ask({"op": "get", "name": "a"})["note"] == note
    names = [f"{number:0{NAME_BYTES - 2}}" for number in range(HELD_NAMES - 1)]
    for name in names:
        assert client.ask(put | {"name": name}, [fd]) == {"ok": True}
    assert "are held already" in client.ask(put | {"name": "b"}, [fd])["error"]
    assert client.ask(put, [fd]) == {"ok": True}
    assert client.ask({"op": "list"})["names"] == [*names, "a"]
    for copy in [fd, *client.fds]:
        os.close(copy)


def test_a_client_that_vanishes_or_does_not_read_harms_nobody(
    keeper: Running, client: Client, pipe: tuple[int, int]
) -> None:
    give(client, pipe[1])
    silent = Client(keeper.socket)
    silent.socket.setblocking(False)
    with contextlib.suppress(OSError):
        while True:
            silent.socket.send(b'{"op": "list"}')
    vanished = Client(keeper.socket)
    vanished.socket.send(b'{"op": "get", "name": "a"}')
    vanished.socket.close()
    assert client.ask({"op": "list"}) == {"ok": True, "names": ["a"]}
    silent.socket.close()


def test_more_clients_than_it_takes_are_turned_away(keeper: Running) -> None:
    clients = [Client(keeper.socket) for _ in range(CLIENTS)]
    for client in clients:
        assert client.ask({"op": "list"})["ok"]
    clients.append(Client(keeper.socket))
    with pytest.raises((ConnectionError, json.JSONDecodeError)):
        clients[-1].ask({"op": "list"})
    for client in clients:
        client.socket.close()
    keeper.wait_for(f"refuses user {os.getuid()}; {CLIENTS} clients are connected")


def test_other_users_are_refused(keeper: Running) -> None:
    """Even when the socket's mode would let them in."""
    keeper.socket.parent.chmod(0o777)
    keeper.socket.chmod(0o777)
    for user, answer in (0, '{"ok": true, "names": []}'), (65534, ""):
        command = [sys.executable, "-c", CONNECT, str(keeper.socket.parent), str(user)]
        out = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        assert answer in out
        assert ("ok" in out) == bool(answer)
    keeper.wait_for("refuses user 65534")


def test_the_socket_is_for_its_user_only(keeper: Running) -> None:
    assert keeper.socket.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_everything(keeper: Running, pipe: tuple[int, int], number: signal.Signals) -> None:
    client = Client(keeper.socket)
    give(client, pipe[1])
    assert keeper.end(number) == 0
    assert os.read(pipe[0], 9) == b""
    assert "closes a: the keeper ends" in keeper.log
    assert not keeper.socket.exists()
    client.socket.close()


def test_a_signal_that_interrupts_no_wait_ends_it_too(tmp_path: Path) -> None:
    keeper = Running(tmp_path, program=["-c", DISTRACTED])
    keeper.wait_for("holds descriptors")
    assert keeper.end() == 0


def test_what_nobody_comes_for_is_closed(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """A client that only looks is no daemon."""
    keeper = Running(tmp_path, "--orphan-seconds", "0.05")
    keeper.wait_for("holds descriptors")
    looker, daemon = Client(keeper.socket), Client(keeper.socket)
    assert looker.ask({"op": "list"})["ok"]
    give(daemon, pipe[1])
    daemon.socket.close()
    assert os.read(pipe[0], 9) == b""
    keeper.wait_for("closes a: no daemon for 0.05 s")
    assert looker.ask({"op": "list"}) == {"ok": True, "names": []}
    looker.socket.close()
    assert keeper.end() == 0


def test_a_second_keeper_is_refused_and_a_stale_socket_replaced(keeper: Running, tmp_path: Path) -> None:
    second = Running(tmp_path)
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "another keeper answers there" in second.process.communicate()[1]
    keeper.end(signal.SIGKILL)
    assert keeper.socket.exists()
    third = Running(tmp_path)
    third.wait_for("holds descriptors")
    assert third.end() == 0


def test_a_file_in_the_way_stays(tmp_path: Path) -> None:
    (tmp_path / "keeper.sock").write_text("precious")
    keeper = Running(tmp_path)
    assert keeper.process.wait(PATIENCE_SECONDS) == 1
    assert "Address already in use" in keeper.process.communicate()[1]
    assert (tmp_path / "keeper.sock").read_text() == "precious"


def test_it_is_small_and_needs_the_standard_library_only() -> None:
    source = Path(sys.modules["mows.keeper"].__file__ or "")
    assert len(source.read_text().splitlines()) < 200
    code = "import sys, mows.keeper; print({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
    out = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=source.parents[1]
    )
    assert set(out.stdout.strip("{}\n").replace("'", "").split(", ")) <= {"mows", "__main__"}
