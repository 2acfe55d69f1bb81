"""What the kernel says of a process: processor time and memory. Numbers from /proc, nothing estimated."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process, in bytes, as ``/proc/PID/status`` counts it."""

    resident: int
    """All pages it has mapped and that are in memory."""
    anonymous: int
    """What only this process has: heap and stacks."""
    shared_memory: int
    """Mapped pages of tmpfs files: for a daemon, of its memory tier."""

    @property
    def beyond_memory_tier(self) -> int:
        """What the process costs besides the cached bytes themselves."""
        return self.resident - self.shared_memory


def memory(pid: int) -> Memory:
    """Memory of the process `pid` now."""
    return parse_memory(Path(f"/proc/{pid}/status").read_text())


def parse_memory(status: str) -> Memory:
    """The three figures in the text of ``/proc/PID/status``."""
    kib = {words[0]: int(words[1]) for words in map(str.split, status.splitlines()) if words[-1:] == ["kB"]}
    return Memory(*(kib[key] * 1024 for key in ("VmRSS:", "RssAnon:", "RssShmem:")))


def cpu_seconds(pid: int) -> float:
    """Processor seconds the process `pid` has used so far, user and system, all its threads."""
    return parse_cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) / os.sysconf("SC_CLK_TCK")


def parse_cpu_ticks(stat: str) -> int:
    """Utime + stime in the text of ``/proc/PID/stat``, where the name in brackets may hold anything."""
    fields = stat.rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
