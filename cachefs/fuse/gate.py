"""Close a descriptor that other threads may be using: the last user does it.

A descriptor closed under a writer frees its number, and the writer may then write into whatever file got that number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class Gate:
    """Counts users: ``with gate: use(fd)``. Raises `closed` when entered after `close`. Thread-safe, re-entrant."""

    def __init__(self, when_unused: Callable[[], None], closed: type[Exception]) -> None:
        self._when_unused = when_unused
        self._closed_error = closed
        self._lock = threading.Lock()  # guards _users and _closed
        self._users = 0
        self._closed = False

    def __enter__(self) -> None:
        with self._lock:
            if self._closed:
                raise self._closed_error
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and self._users == 0
        if last:
            self._when_unused()

    def close(self) -> None:
        """Let nobody in any more; `when_unused` runs now, or on the thread that leaves last. Idempotent."""
        with self._lock:
            first, self._closed = not self._closed, True
            unused = first and self._users == 0
        if unused:
            self._when_unused()
