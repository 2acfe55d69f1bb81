"""What a run must not leave behind: processes, mounts, namespaces, secrets in logs, tracebacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from benchmarks.chaos.procfs import marked
from benchmarks.lab import iproute
from benchmarks.lab.leftovers import owner
from benchmarks.node.scratch import mounts_below

TRACEBACK = "Traceback (most recent call last)"
OUTPUT = ("*.log", "*.troubles", "answers.json")
"""What programs of a run wrote, and what daemons answered."""


def left_behind(directories: Iterable[Path], mark: str, pid: int) -> list[str]:
    """What there still is of a run that has stopped everything: its own process is `pid`."""
    mounts = [f"mount {path}" for directory in directories for path in mounts_below(directory) if path != directory]
    processes = [f"process {other}: {_command(other)}" for other in marked(mark)]
    return [*mounts, *processes, *(f"namespace {name}" for name in iproute.namespaces() if owner(name) == pid)]


def found_in_output(directory: Path, secrets: Sequence[str]) -> list[str]:
    """Where a secret or a traceback stands in the output below `directory`. The secret itself is not repeated."""
    spellings = {word for secret in secrets for word in (secret, quote(secret, safe=""))}
    return [
        f"{path.relative_to(directory)}:{number}: {what}"
        for path in sorted(path for pattern in OUTPUT for path in directory.rglob(pattern))
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        for what in _faults_of(line, spellings)
    ]


def _faults_of(line: str, secrets: Iterable[str]) -> Iterator[str]:
    if any(secret in line for secret in secrets):
        yield "a secret"
    if TRACEBACK in line:
        yield "a traceback"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return "(gone by now)"
