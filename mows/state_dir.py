"""The state directory, and the lock that keeps a second daemon out of it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from mows.errors import ConfigError, DaemonRunning

LOCK_NAME = "daemon.lock"


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the directory, which is made if need be. Raises DaemonRunning, ConfigError.

    The lock is the kernel's (flock): it ends with the process, however that ends, so it is never stale. The file holds
    the process id, for people.
    """
    path = directory / LOCK_NAME
    try:
        directory.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise ConfigError(
            f"node.state_dir: {directory}: {error.strerror}", hint="name a directory that the daemon can write"
        ) from error
    try:
        _lock(fd, path)
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def _lock(fd: int, path: Path) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
        raise DaemonRunning(f"node.state_dir: {path.parent}: in use by the daemon with process id {holder}") from None
