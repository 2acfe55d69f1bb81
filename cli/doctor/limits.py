"""Limits of the process and of the machine: open files, memory."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import size_text

WANTED_FILES = 8192
"""Some 64 connections per origin and two descriptors per file that is open through a mount: room for ten models."""
DAEMON_BYTES = 400 << 20
"""What the daemon may use beyond the memory tier: its budget in the design."""

CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def probe(memory_tier_bytes: int) -> Iterator[Finding]:
    """All checks of this module, on this node; `memory_tier_bytes` is the capacity of all tiers on tmpfs."""
    yield open_files(*resource.getrlimit(resource.RLIMIT_NOFILE))
    limit = CGROUP_LIMIT.read_text() if CGROUP_LIMIT.exists() else "max"
    yield memory(Path("/proc/meminfo").read_text(), limit, memory_tier_bytes)


def open_files(soft: int, hard: int) -> Finding:
    """RLIMIT_NOFILE; -1 is no limit."""
    shown = "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
    if soft == resource.RLIM_INFINITY or soft >= WANTED_FILES:
        return ok("open files", f"limit {shown}")
    enough = hard == resource.RLIM_INFINITY or hard >= WANTED_FILES
    where = (
        f"ulimit -n {WANTED_FILES}" if enough else f"LimitNOFILE={WANTED_FILES} in the unit, or the runtime's ulimits"
    )
    return warn("open files", f"limit {shown} is low: a large model through several mounts may reach it", where)


def memory(meminfo: str, cgroup_limit: str, memory_tier_bytes: int) -> Finding:
    """Whether the memory tiers and the daemon fit; `meminfo` and `cgroup_limit` as the kernel writes them."""
    total_bytes = meminfo_bytes(meminfo, "MemTotal")
    available_bytes = meminfo_bytes(meminfo, "MemAvailable")
    limit = cgroup_limit.strip()
    # Pages of a tmpfs count against the memory of the container that wrote them.
    most_bytes = total_bytes if limit == "max" else min(total_bytes, int(limit))
    needed_bytes = memory_tier_bytes + DAEMON_BYTES
    needs = f"memory tiers and daemon need {size_text(needed_bytes)}"
    if needed_bytes > most_bytes:
        return fail("memory", f"{needs}, this machine or container has {size_text(most_bytes)}", "lower the capacities")
    if needed_bytes > available_bytes:
        return warn(
            "memory",
            f"{needs}, {size_text(available_bytes)} are available now",
            "fine if the tier is filled already; else lower its capacity, or end what uses the memory",
        )
    return ok("memory", f"{needs} of {size_text(most_bytes)}")


def meminfo_bytes(meminfo: str, key: str) -> int:
    """A row of ``/proc/meminfo``; 0 when there is none."""
    found = re.search(rf"^{key}:\s*(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
