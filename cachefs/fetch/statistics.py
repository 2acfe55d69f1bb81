"""What the fetcher counts, and how it is read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OriginLoad:
    """One origin at one moment."""

    limit: int
    """Requests it should see at a time, as learned so far."""
    running: int
    down: bool
    """Whether its retry budget is spent and only probes go out."""


@dataclass(frozen=True, slots=True)
class FetchStatistics:
    """The fetcher at one moment. Counts run since it was created."""

    bytes_by_source: Mapping[str, int]
    """Bytes of chunks that landed, by where they came from."""
    waits: int
    """Parked reads that were answered, with data or an errno."""
    wait_seconds: float
    """The time these waited in all."""
    failed_reads: int
    """Those answered with an errno."""
    retries: int
    peer_failures: int
    """Chunks that a peer did not bring, so that another source was asked."""
    throttles: int
    store_faults: int
    """Chunks that no tier would take."""
    corrupt_objects: int
    """Whole objects whose checksum was wrong when their last chunk landed."""
    overflow_hits: int
    """Chunks of reads that were answered from memory, because no tier would take them."""
    parked_reads: int
    """Reads waiting now."""
    spans_in_flight: int
    chunks_queued: int
    """Chunks that are missing from blobs in use, and that are not in flight."""
    in_flight_memory_bytes: int
    overflow_bytes: int
    origins: Mapping[str, OriginLoad]


class Counters:
    """Sums that any thread may add to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _sums: an addition to an entry is not one step
        self._sums: Counter[str] = Counter()
        self._seconds = 0.0

    def add(self, name: str, amount: int = 1) -> None:
        """Add to one sum."""
        with self._lock:
            self._sums[name] += amount

    def waited(self, seconds: float, *, failed: bool) -> None:
        """A parked read was answered."""
        with self._lock:
            self._seconds += seconds
            self._sums["waits"] += 1
            self._sums["failed_reads"] += failed

    def snapshot(self) -> tuple[dict[str, int], float]:
        """All sums and the seconds waited, as of one moment."""
        with self._lock:
            return dict(self._sums), self._seconds
