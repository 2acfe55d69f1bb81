"""How long reads waited, by what they waited for: counts in classes, for metrics. Unlike `read_times` it never ends."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cachefs.ports import Waited

BOUNDS_SECONDS = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0)
"""The upper ends of the classes: a memory tier, a disk, an origin, a slow one, and what people notice."""

CAUSES = ("origin", "peers", "disk", "queued")
"""The fields of `Waited`."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of one cause."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS_SECONDS) + 1)
    """Waits within each bound and above the one before; the last are above all."""
    sum_seconds: float = 0.0


NO_WAITS: Mapping[str, Histogram] = MappingProxyType({cause: Histogram() for cause in CAUSES})


class WaitHistogram:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards everything below
        self._counts = {cause: [0] * (len(BOUNDS_SECONDS) + 1) for cause in CAUSES}
        self._seconds = dict.fromkeys(CAUSES, 0.0)
        self._reads = 0

    def add(self, waited: Waited) -> None:
        """One read waited so long. What it did not wait for is not counted."""
        with self._lock:
            self._reads += 1
            for cause in CAUSES:
                seconds: float = getattr(waited, cause)
                if seconds > 0:
                    self._counts[cause][bisect_left(BOUNDS_SECONDS, seconds)] += 1
                    self._seconds[cause] += seconds

    def snapshot(self) -> tuple[int, Mapping[str, Histogram]]:
        """(reads that waited, what for)."""
        with self._lock:
            return self._reads, {cause: Histogram(tuple(self._counts[cause]), self._seconds[cause]) for cause in CAUSES}
