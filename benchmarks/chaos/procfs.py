"""What a process holds: descriptors by kind, threads. From /proc, nothing estimated."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "MOWS_CHAOS_RUN"
"""Environment variable that all processes of a run have."""


@dataclass(frozen=True, slots=True)
class Holdings:
    """Of one process at one moment."""

    descriptors: Counter[str]
    """Count by kind: ``socket``, ``pipe``, ``/dev/fuse``, ``anon``, ``file``."""
    threads: int

    def beyond(self, before: Holdings, *, sockets: int, threads: int) -> list[str]:
        """What there is more of than `before`, but for so many sockets and threads."""
        allowed = Counter({"socket": sockets})
        more = self.descriptors - before.descriptors - allowed
        found = [f"{count} more descriptors: {kind}" for kind, count in sorted(more.items())]
        if self.threads > before.threads + threads:
            found.append(f"{self.threads - before.threads} more threads")
        return found


def holdings(pid: int) -> Holdings:
    """What the process holds now. OSError when it is gone."""
    directory = Path(f"/proc/{pid}/fd")
    kinds = Counter[str]()
    for entry in os.listdir(directory):
        with suppress(FileNotFoundError):  # closed since it was listed
            kinds[kind_of(str((directory / entry).readlink()))] += 1
    return Holdings(kinds, len(os.listdir(f"/proc/{pid}/task")))


def kind_of(link: str) -> str:
    """Kind of what a link in ``/proc/PID/fd`` leads to."""
    if link == "/dev/fuse":
        return link
    for kind in ("socket", "pipe"):
        if link.startswith(f"{kind}:"):
            return kind
    return "anon" if link.startswith("anon_inode:") else "file"


def marked(mark: str) -> list[int]:
    """Processes whose environment has `MARK` with this value, but for our own."""
    wanted = f"{MARK}={mark}".encode()
    return [
        pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != os.getpid() and _has(pid, wanted)
    ]


def _has(pid: int, wanted: bytes) -> bool:
    with suppress(OSError):  # it has ended, or is not ours
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False
