"""Sockets of the REST API, bound before anything is served, so that a wrong address stops the start."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from mows.errors import ConfigError, DaemonRunning
from mows.units import Address, split_address

SOCKET_MODE = 0o660
BACKLOG = 128


@contextlib.contextmanager
def unix_socket(path: Path) -> Iterator[socket.socket]:
    """A listening socket at `path`, removed at the end. Raises DaemonRunning, ConfigError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _remove_dead(path)
            listener.bind(str(path))
            path.chmod(SOCKET_MODE)
            listener.listen(BACKLOG)
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigError(f"api.socket: {path}: {reason}", hint="name a path that the daemon can make") from error
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def tcp_socket(address: Address) -> Iterator[socket.socket]:
    """A listening socket at `address`. Raises ConfigError."""
    host, port = split_address(address)
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _unusable(address, error) from error
    with contextlib.closing(listener):
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(where)
            listener.listen(BACKLOG)
        except OSError as error:
            raise _unusable(address, error) from error
        yield listener


def _remove_dead(path: Path) -> None:
    """Remove the socket of a daemon that crashed. A live one, or anything that is no socket, stays."""
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as caller:
        try:
            caller.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            if not path.is_socket():
                raise OSError(errno.EEXIST, "exists, and is no socket") from None
            path.unlink()
            return
    raise DaemonRunning(f"api.socket: {path}: another daemon answers there")


def _unusable(address: Address, error: OSError) -> ConfigError:
    return ConfigError(
        f"api.listen: {address}: {error.strerror}", hint="choose a free port and an address of this machine"
    )
