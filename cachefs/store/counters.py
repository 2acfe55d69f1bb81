"""What the store counts for its whole life."""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum, auto


class Event(Enum):
    """What is counted. The names are those of `StoreStatistics`."""

    EVICTIONS = auto()
    EVICTED_BYTES = auto()
    EVICTED_CHUNKS = auto()
    DEMOTIONS = auto()
    DEMOTED_BYTES = auto()
    CORRUPT_CHUNKS = auto()
    CORRUPT_BLOBS = auto()
    DROPPED_BLOBS = auto()
    NO_SPACE = auto()
    VERIFIED_BYTES = auto()


class Counters:
    """Counts that any thread may add to, whatever other lock it holds."""

    def __init__(self) -> None:
        self._counts: Counter[Event] = Counter()
        self._lock = threading.Lock()  # guards _counts; no other lock is taken while it is held

    def add(self, event: Event, amount: int = 1) -> None:
        """Count."""
        with self._lock:
            self._counts[event] += amount

    def snapshot(self) -> dict[str, int]:
        """All counts of one moment, by lower-case name."""
        with self._lock:
            return {event.name.lower(): self._counts[event] for event in Event}
