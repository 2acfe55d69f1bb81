"""Sockets of the REST API, bound before anything is served, so that a wrong address stops the start."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from mows.errors import ConfigError, DaemonRunning
from mows.units import SOCKET_MODE, Address, FileMode, split_address

BACKLOG = 128


@contextlib.contextmanager
def unix_socket(path: Path, mode: FileMode = SOCKET_MODE, group: str | None = None) -> Iterator[socket.socket]:
    """A listening socket at `path`, removed at the end. Raises DaemonRunning, ConfigError.

    It listens only when `mode` and `group` (a name or a number; None: the daemon's) hold: nobody slips in before.
    """
    group_id = None if group is None else _group_id(group)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_dead(path, "api.socket")
            listener.bind(str(path))
            if group_id is not None:
                os.chown(path, -1, group_id)
            path.chmod(mode)
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


def _group_id(group: str) -> int:
    try:
        return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        hint = "name a group of the machine (or container) the daemon runs in, or its number"
        raise ConfigError(f"api.socket_group: {group!r}: there is no such group", hint=hint) from None


def remove_dead(path: Path, key: str) -> None:
    """Remove the socket of a daemon that crashed. A live one, or anything that is no socket, stays.

    Raises DaemonRunning, with the `key` of the configuration that names it, and OSError.
    """
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
    raise DaemonRunning(f"{key}: {path}: another daemon answers there")


def _unusable(address: Address, error: OSError) -> ConfigError:
    return ConfigError(
        f"api.listen: {address}: {error.strerror}", hint="choose a free port and an address of this machine"
    )
