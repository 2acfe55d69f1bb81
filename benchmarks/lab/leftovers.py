"""What a run that was killed has left: namespaces, the processes in them, and scratch directories with their mounts.

Everything carries the process id of the run in its name, so what belongs to no living process is nobody's.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab import iproute
from benchmarks.node.scratch import MEMORY, remove

PREFIX = "mows-lab-"
GONE_SECONDS = 10.0
"""How long killed processes may take to leave their namespace."""

POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What was removed."""

    namespaces: tuple[str, ...]
    directories: tuple[Path, ...]


def prefix_of(pid: int) -> str:
    """How names of the run with this process id begin."""
    return f"{PREFIX}{pid}-"


def owner(name: str) -> int | None:
    """The process that a namespace or a directory belongs to; None for one that is not of a lab."""
    found = re.match(rf"{PREFIX}(\d+)-", name)
    return int(found[1]) if found else None


def remove_abandoned() -> Leftovers:
    """Remove what belongs to runs that are no more. Blocks; raises OSError when a directory resists."""
    names = [name for name in iproute.namespaces() if _abandoned(name)]
    destroy(names)
    homes = (MEMORY, Path(tempfile.gettempdir()))
    directories = [path for home in homes for path in home.glob(f"{PREFIX}*") if _abandoned(path.name)]
    for path in directories:
        remove(path)
    return Leftovers(tuple(names), tuple(directories))


def destroy(names: Iterable[str]) -> None:
    """Kill what still runs in these namespaces and remove them, and with them their links."""
    existing = sorted(set(names) & set(iproute.namespaces()))
    for name in existing:
        _empty(name)
    iproute.ip(f"netns delete {name}" for name in existing)


def _empty(namespace: str) -> None:
    give_up = time.monotonic() + GONE_SECONDS
    while (inside := iproute.processes_inside(namespace)) and time.monotonic() < give_up:
        for pid in inside:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(POLL_SECONDS)


def _abandoned(name: str) -> bool:
    pid = owner(name)
    return pid is not None and not Path(f"/proc/{pid}").exists()
