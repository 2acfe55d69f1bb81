"""Something made of files, such as a certificate and its key, and made again when one of them changes.

The files are looked at at each use, which costs a system call each: no thread watches them, and a symbolic link that is
turned to another directory (how Kubernetes replaces a secret) is a change like any other. Files that cannot be used, or
of which one is new and the other still old, leave what was made last in use.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

Stamp = tuple[tuple[int, int, int], ...]
"""Inode, size and time of change of each file: equal as long as nobody touched them."""


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """What differs after a change. Raises OSError."""
    found = [path.stat() for path in paths]
    return tuple((stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in found)


class ChangingFiles(Generic[T]):
    """What `make` makes of the files at `paths`. Any thread.

    `make` raises OSError (`ssl.SSLError` is one) when they cannot be used: at the start it comes through, later it is
    logged once. `setting` names the key of the configuration.
    """

    def __init__(self, paths: Sequence[Path], make: Callable[[], T], setting: str) -> None:
        self._paths = tuple(paths)
        self._make = make
        self._setting = setting
        self._lock = threading.Lock()  # guards what follows
        self._stamp = stamp_of(self._paths)  # before they are read: a change in between is seen the next time
        self._made = make()
        self._problem = ""

    def current(self) -> T:
        """Made of the files as they are now, or, when these cannot be used, of the last that could."""
        self.newer()
        with self._lock:
            return self._made

    def newer(self) -> T | None:
        """As `current`; None when it is the same as at the last call."""
        with self._lock:
            try:
                stamp = stamp_of(self._paths)
                if stamp == self._stamp:
                    return None
                made = self._make()
            except OSError as error:
                self._unusable(str(error))
                return None
            self._stamp, self._made, self._problem = stamp, made, ""
            return made

    def _unusable(self, problem: str) -> None:
        if problem != self._problem:
            log.error("%s: %s: the last certificate stays in use", self._setting, problem)
            self._problem = problem
