"""What is being done now, by whom, and until when it must have ended: the book that a watchdog reads.

Whoever begins something that may take long writes it down for as long as it lasts. That costs one slot in a dictionary,
so it is done for requests, never for resident reads. The book itself watches nothing.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Details = Mapping[str, object]
"""What an operation is about: mount, path, source, peer, `waits_for`. In log lines as they are."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing under way. Times are on the monotonic clock."""

    number: int
    """Never used again by the same book; what others report (see `Operations.include`) is below zero."""
    name: str
    """What is done, such as ``origin.read``."""
    began_at: float
    deadline_at: float | None
    """When it must have ended. None: it may take as long as it makes progress."""
    details: Details
    thread_id: int | None = None
    """The thread that it keeps busy; None: it waits without one."""

    def overdue_seconds(self, now: float) -> float:
        """For how long it has outlived its deadline; 0 or less when it has not."""
        return float("-inf") if self.deadline_at is None else now - self.deadline_at


Reporter = Callable[[], list[Operation]]
"""Tells operations that somebody knows of anyhow, such as the reads that are parked. Any thread; quick."""


Ended = Callable[[Operation, BaseException | None], None]
"""Quick, and never raises."""


def _nothing() -> Details:
    return {}


class Operations:
    """All operations of one daemon. Any thread."""

    def __init__(self, context: Callable[[], Details] = _nothing, ended: Ended | None = None) -> None:
        """`context` gives what is known where an operation begins, such as the mount: part of its details.

        `ended` is told of each operation that ends, with what it raised, on the thread that it ran on.
        """
        self._context = context
        self._ended = ended
        self._numbers = itertools.count(1)
        self._running: dict[int, Operation] = {}  # one key belongs to one operation: set and pop are atomic
        self._reporters: list[Reporter] = []

    def watched(self, name: str, seconds: float | None, **details: object) -> AbstractContextManager[None]:
        """Write down that this thread does `name` inside, and must have ended `seconds` from now. None: no deadline."""
        return self._written(name, seconds, details, threading.get_ident())

    def awaited(self, name: str, seconds: float | None, **details: object) -> AbstractContextManager[None]:
        """As `watched`, for what waits on the event loop, where the thread is busy with other things."""
        return self._written(name, seconds, details, None)

    def include(self, reporter: Reporter) -> None:
        """Ask `reporter` too, from now on: for what is written down elsewhere already."""
        self._reporters.append(reporter)

    def running(self) -> list[Operation]:
        """Everything under way now, the oldest first."""
        found = [*self._running.copy().values(), *(one for report in self._reporters for one in report())]
        return sorted(found, key=lambda operation: operation.began_at)

    @contextmanager
    def _written(self, name: str, seconds: float | None, details: Details, thread_id: int | None) -> Iterator[None]:
        began_at, number = time.monotonic(), next(self._numbers)
        deadline_at = None if seconds is None else began_at + seconds
        details = {**self._context(), **details}
        operation = self._running[number] = Operation(number, name, began_at, deadline_at, details, thread_id)
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            del self._running[number]
            if self._ended is not None:
                self._ended(operation, error)
