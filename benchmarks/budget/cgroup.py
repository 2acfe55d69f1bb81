"""A memory limit for one process, by a control group of its own: version 2, or version 1 where that is mounted."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node.errors import NodeError

ROOT = Path("/sys/fs/cgroup")


class NoMemoryGroup(NodeError):
    """No control group can be made here; the message says what was tried."""


@dataclass(frozen=True, slots=True)
class MemoryGroup(ABC):
    """One group."""

    path: Path

    @property
    def prefix(self) -> Sequence[str]:
        """Words before a command, to start it in this group."""
        return ("sh", "-c", f'echo $$ > "{self.path}/cgroup.procs" && exec "$@"', "sh")

    @abstractmethod
    def limit(self, limit_bytes: int) -> None:
        """Let the kernel reclaim, and then kill, above so many bytes."""

    @abstractmethod
    def peak_bytes(self) -> int:
        """The most that was ever charged: heap, tmpfs pages, page cache, kernel memory."""

    @abstractmethod
    def anonymous_bytes(self) -> int:
        """What is charged now and cannot be had back: heap and stacks."""

    @abstractmethod
    def oom_kills(self) -> int:
        """How many processes of the group the kernel has killed."""


class Version2(MemoryGroup):
    """Of the unified hierarchy."""

    __slots__ = ()

    def limit(self, limit_bytes: int) -> None:
        """See `MemoryGroup.limit`. No swap either."""
        (self.path / "memory.max").write_text(str(limit_bytes))
        if (swap := self.path / "memory.swap.max").exists():
            swap.write_text("0")

    def peak_bytes(self) -> int:
        """See `MemoryGroup.peak_bytes`."""
        return int((self.path / "memory.peak").read_text())

    def anonymous_bytes(self) -> int:
        """See `MemoryGroup.anonymous_bytes`."""
        return read_row(self.path / "memory.stat", "anon")

    def oom_kills(self) -> int:
        """See `MemoryGroup.oom_kills`."""
        return read_row(self.path / "memory.events", "oom_kill")


class Version1(MemoryGroup):
    """Of the memory controller by itself."""

    __slots__ = ()

    def limit(self, limit_bytes: int) -> None:
        """See `MemoryGroup.limit`."""
        (self.path / "memory.limit_in_bytes").write_text(str(limit_bytes))

    def peak_bytes(self) -> int:
        """See `MemoryGroup.peak_bytes`."""
        return int((self.path / "memory.max_usage_in_bytes").read_text())

    def anonymous_bytes(self) -> int:
        """See `MemoryGroup.anonymous_bytes`."""
        return read_row(self.path / "memory.stat", "rss")

    def oom_kills(self) -> int:
        """See `MemoryGroup.oom_kills`."""
        return read_row(self.path / "memory.oom_control", "oom_kill")


def read_row(path: Path, name: str) -> int:
    """The number in the row ``name number`` of a file."""
    rows = dict(line.split() for line in path.read_text().splitlines())
    return int(rows[name])


@contextmanager
def memory_group(limit_bytes: int, root: Path = ROOT) -> Iterator[MemoryGroup]:
    """A new group with this limit; its processes must be gone at the end. Raises NoMemoryGroup."""
    try:
        group = _made(root, f"mows-budget-{os.getpid()}")
        try:
            group.limit(limit_bytes)
            yield group
        finally:
            group.path.rmdir()
    except PermissionError as error:
        raise NoMemoryGroup(f"{error.filename}: {error.strerror}: this needs root on a machine of one's own") from error


def _made(root: Path, name: str) -> MemoryGroup:
    if (root / "cgroup.controllers").exists():
        (root / "cgroup.subtree_control").write_text("+memory")
        (root / name).mkdir()
        return Version2(root / name)
    if (root / "memory" / "memory.limit_in_bytes").exists():
        (root / "memory" / name).mkdir()
        return Version1(root / "memory" / name)
    raise NoMemoryGroup(f"{root}: neither control groups of version 2 nor the memory controller of version 1")
