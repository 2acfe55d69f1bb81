"""What a check found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, but slower or with less safety than it could."""
    FAIL = "fail"
    """The daemon will not start, reads will fail, or a part that is configured will do nothing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report. `remedy` is empty only where nothing needs doing."""

    name: str
    level: Level
    message: str
    remedy: str = ""


def ok(name: str, message: str) -> Finding:
    """Nothing to do."""
    return Finding(name, Level.OK, message)


def warn(name: str, message: str, remedy: str) -> Finding:
    """It works, but."""
    return Finding(name, Level.WARN, message, remedy)


def fail(name: str, message: str, remedy: str) -> Finding:
    """It will not work."""
    return Finding(name, Level.FAIL, message, remedy)
