"""A process of this machine, named so that it is not mistaken for a later one, and the moment it ends."""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mows.errors import ProcessNotFound

_START_FIELD = 19
"""Of ``/proc/PID/stat``, counted after the name in parentheses: the start in clock ticks after the boot (proc(5))."""


@dataclass(frozen=True, slots=True)
class Process:
    """Process ids are given anew; with its start it is one process of this boot."""

    pid: int
    started: int
    """Clock ticks after the boot."""


class ProcessWatch:
    """Calls `on_end`, once, on the running loop, when the process has ended. `close` must be called all the same."""

    def __init__(self, pid: int, on_end: Callable[[], None], *, started: int | None = None) -> None:
        """`started`: only that process, not a later one with the same id. Raises ProcessNotFound. Quick."""
        self._loop = asyncio.get_running_loop()
        self._on_end = on_end
        self._fd = _open(pid)
        try:
            self.process = _identified(pid, self._fd, started)
            self._loop.add_reader(self._fd, self._ended)
        except BaseException:
            os.close(self._fd)
            raise

    def close(self) -> None:
        """Watch no more. Idempotent."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            self._loop.remove_reader(fd)
            os.close(fd)

    def _ended(self) -> None:
        self.close()
        self._on_end()


def _identified(pid: int, fd: int, started: int | None) -> Process:
    process = Process(pid, _start(pid))
    if _has_ended(fd) or started not in {None, process.started}:
        raise ProcessNotFound(f"process {pid}: has ended")
    return process


def _open(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ProcessNotFound(f"process {pid}: {reason}") from None


def _start(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return int(fields[_START_FIELD])
    except (OSError, IndexError, ValueError) as error:
        raise ProcessNotFound(f"process {pid}: {error}") from None


def _has_ended(fd: int) -> bool:
    """Asked after its start was read: that was its own, then."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
