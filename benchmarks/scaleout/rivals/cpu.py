"""What processes of ours have cost."""

from __future__ import annotations

import resource


def children_cpu_seconds() -> float:
    """User and system time of all children of this process that have ended and been waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
