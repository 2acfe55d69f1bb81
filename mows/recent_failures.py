"""What went wrong lately, for people: the last warnings and errors of this process, in a bounded ring.

Fed by the logs, so that what the page shows and what the log says are the same: `mows.logs.failure` puts operation,
code and hint on its line, and everything passes through `mows.redaction`.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from mows import logs
from mows.redaction import Redactor

MOST_FAILURES = 20
"""A screen of them; the log has all."""

MESSAGE_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Failure:
    """One line of WARNING or above. Lines that differ only in their time are one failure, with a count."""

    at_seconds: float
    """Unix time of the last of them."""
    level: str
    message: str
    code: str | None
    """Stable. None: the line is a warning of its own, not a failed operation."""
    hint: str | None
    mount: str | None
    count: int = 1


class RecentFailures(logging.Handler):
    """The last `MOST_FAILURES`. Thread-safe."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(logging.WARNING)
        self._redact = redact
        self._guard = threading.Lock()  # guards _rows: readers are on other threads than writers
        self._rows: deque[Failure] = deque(maxlen=MOST_FAILURES)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        failure = self._failure(record)
        with self._guard:
            last = self._rows[-1] if self._rows else None
            if last is not None and replace(last, at_seconds=failure.at_seconds, count=1) == failure:
                self._rows[-1] = replace(failure, count=last.count + 1)
            else:
                self._rows.append(failure)

    def rows(self) -> list[Failure]:
        """The latest first."""
        with self._guard:
            return list(reversed(self._rows))

    def _failure(self, record: logging.LogRecord) -> Failure:
        fields = logs.fields_of(record)
        return Failure(
            at_seconds=record.created,
            level=record.levelname,
            message=self._redact(record.getMessage())[:MESSAGE_CHARACTERS],
            code=self._text(fields, "code"),
            hint=self._text(fields, "hint"),
            mount=self._text(fields, "mount"),
        )

    def _text(self, fields: Mapping[str, object], name: str) -> str | None:
        return self._redact(str(fields[name])) if fields.get(name) else None


@contextmanager
def recent_failures(redact: Redactor) -> Iterator[RecentFailures]:
    """Keep the last failures of this process inside."""
    handler = RecentFailures(redact)
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)
