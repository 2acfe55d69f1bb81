"""Listening sockets: refused when taken, cleaned up after a crash, removed at the end."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from mows.errors import ConfigError, DaemonRunning
from mows.sockets import tcp_socket, unix_socket
from mows.units import Address, FileMode


def test_a_unix_socket_is_for_owner_and_group_and_goes_with_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "made" / "mows.sock"
    with unix_socket(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))
    assert not path.exists()


def test_mode_and_group_are_what_was_asked_for(tmp_path: Path) -> None:
    for group in ("daemon", "1"):  # Debian's first group, by name and number
        with unix_socket(tmp_path / "mows.sock", FileMode(0o600), group):
            status = (tmp_path / "mows.sock").stat()
            assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o600, 1)


def test_a_group_that_is_not_there(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"api\.socket_group: 'nobodies'"),
        unix_socket(tmp_path / "s", group="nobodies"),
    ):
        pass
    assert not (tmp_path / "s").exists()


def test_a_live_socket_is_not_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "mows.sock"
    with unix_socket(path):
        with pytest.raises(DaemonRunning, match="another daemon answers there"), unix_socket(path):
            pass
        assert path.is_socket()


def test_a_dead_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mows.sock"
    with socket.socket(socket.AF_UNIX) as crashed:
        crashed.bind(str(path))
    with unix_socket(path), socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(path))


def test_a_file_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "mows.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="exists, and is no socket"), unix_socket(path):
        pass
    assert path.read_text() == "precious"


def test_a_path_that_is_too_long_for_the_kernel(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"api\.socket: .* too long"), unix_socket(tmp_path / ("x" * 120)):
        pass


def test_tcp_taken_or_not_ours() -> None:
    with tcp_socket(Address("127.0.0.1:0")) as listener:
        taken = Address(f"127.0.0.1:{listener.getsockname()[1]}")
        with pytest.raises(ConfigError, match=rf"api\.listen: {taken}: Address already in use"), tcp_socket(taken):
            pass
    with pytest.raises(ConfigError, match=r"api\.listen: 192\.0\.2\.1:1"), tcp_socket(Address("192.0.2.1:1")):
        pass
