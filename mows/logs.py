"""Structured logs: one line an event, as JSON or as key=value text.

What is bound to the current task (`bound`) is on every line written in it: the request id, the mount. Failed operations
get exactly one line, at the border where the error ends (`failure`). WARNING: MoWS coped or somebody's request failed;
ERROR: a person must act. Nothing here writes configuration values; what libraries quote in their errors goes through
`mows.redaction`, the last step of every formatter.
"""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Literal, TextIO

from cachefs.errors import CacheError
from mows.redaction import Redactor

_BOUND: ContextVar[Mapping[str, object]] = ContextVar("mows_log_fields", default=MappingProxyType({}))
_FIELDS = "mows_fields"

QUIET_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "httpx", "httpcore")
"""Libraries that write a line per request or per start at INFO: ours say it with the fields that matter."""


RECENT_LINES = 100
RECENT_LINE_CHARACTERS = 4000
"""A traceback fits; a hundred such lines are below half a megabyte."""


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Put these fields on every line that the current task writes inside."""
    token = _BOUND.set({**_BOUND.get(), **fields})
    try:
        yield
    finally:
        _BOUND.reset(token)


def bound_fields() -> Mapping[str, object]:
    """What is bound to the current task, or, with `asyncio.to_thread`, to the one that waits for this thread."""
    return _BOUND.get()


def event(logger: logging.Logger, message: str, **fields: object) -> None:
    """An INFO line with fields."""
    logger.info(message, extra={_FIELDS: fields})


def warn(logger: logging.Logger, message: str, **fields: object) -> None:
    """A WARNING line with fields."""
    logger.warning(message, extra={_FIELDS: fields})


def failure(logger: logging.Logger, operation: str, error: BaseException, **fields: object) -> None:
    """The one line of a failed operation. An error outside the tree is a bug: ERROR, with its traceback."""
    expected = isinstance(error, CacheError)
    code = error.code if isinstance(error, CacheError) else "internal"
    hint = {"hint": error.hint} if isinstance(error, CacheError) and error.hint else {}
    logger.log(
        logging.WARNING if expected else logging.ERROR,
        "%s failed: %s",
        operation,
        error if expected else repr(error),
        extra={_FIELDS: {"operation": operation, "code": code, **fields, **hint}},
        exc_info=None if expected else error,
    )


def configure(
    form: Literal["json", "text"], level: str, stream: TextIO | None = None, *, redact: Redactor | None = None
) -> None:
    """Send all logging of this process to `stream` (standard error). Called once, by the process's own main."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonLines(redact) if form == "json" else KeyValues(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)


class Recent(logging.Handler):
    """The last lines of WARNING and above, for `mows debug dump`."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__(logging.WARNING)
        self.setFormatter(KeyValues(redact))
        self._lines: deque[str] = deque(maxlen=RECENT_LINES)  # append and copy are atomic

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        self._lines.append(self.format(record)[:RECENT_LINE_CHARACTERS])

    def lines(self) -> list[str]:
        """The oldest first."""
        return list(self._lines)


@contextmanager
def recent(redact: Redactor) -> Iterator[Recent]:
    """Keep the last lines of this process inside."""
    handler = Recent(redact)
    logging.getLogger().addHandler(handler)
    try:
        yield handler
    finally:
        logging.getLogger().removeHandler(handler)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What stands on a line beside its message. Only on the thread and in the task that wrote it."""
    return {**_BOUND.get(), **getattr(record, _FIELDS, {})}


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _Redacted(logging.Formatter):
    def __init__(self, redact: Redactor | None = None) -> None:
        super().__init__()
        self._redact = redact or Redactor()


class JsonLines(_Redacted):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        row = {
            "time": _time_of(record),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            row["traceback"] = self.formatException(record.exc_info)
        return self._redact(json.dumps(row, default=str))


class KeyValues(_Redacted):
    """Time, level and message, then key=value; for people."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        fields = "".join(f" {key}={_quoted(value)}" for key, value in fields_of(record).items())
        line = f"{_time_of(record)} {record.levelname:<7} {record.getMessage()}{fields}"
        return self._redact(f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line)


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text) if not text or any(letter.isspace() or letter in '"=' for letter in text) else text
