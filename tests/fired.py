"""Which labels of `cachefs.faults` happened to something in this run of the tests, in all its processes."""

from __future__ import annotations

import os
from pathlib import Path

from cachefs.faults import FIRED_VARIABLE


def journal() -> Path | None:
    """The file that a test's own `PlannedFaults` note in what happened."""
    path = os.environ.get(FIRED_VARIABLE)
    return Path(path) if path else None


def note(label: str) -> None:
    """A fault of a test's own making happened to a call with this label."""
    if path := os.environ.get(FIRED_VARIABLE):
        with open(path, "a") as file:
            file.write(f"{label} test\n")


def fired(path: Path) -> frozenset[str]:
    """The labels that were noted in `path`, by tests and by the plans of daemons."""
    return frozenset(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else frozenset()
