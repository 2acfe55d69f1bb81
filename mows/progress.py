"""How far filling has come: counts, percent, time left. Pure, but for one counter that threads add to."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ByteCounts:
    """Where bytes are, and where they came from."""

    total: int = 0
    local: int = 0
    from_peers: int = 0
    from_origin: int = 0

    @property
    def missing(self) -> int:
        """Bytes that are not in the cache."""
        return max(0, self.total - self.local)

    @property
    def percent(self) -> float:
        """Of all bytes, those in the cache. An empty whole is complete."""
        return 100.0 if self.total == 0 else 100.0 * self.local / self.total


class ByteCounter:
    """Bytes fetched for one mount or prewarm, by where they came from. `add` is an `Account` of the cache."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _bytes: fill threads add, the loop reads
        self._bytes = {"origin": 0, "peer": 0}

    def add(self, source: str, count: int) -> None:
        """`count` bytes came from `source`, which is ``origin`` or ``peer``."""
        with self._lock:
            self._bytes[source] += count

    def counts(self, *, total: int, local: int) -> ByteCounts:
        """The counts so far, beside what the caller knows."""
        with self._lock:
            return ByteCounts(total, local, self._bytes["peer"], self._bytes["origin"])


@dataclass(frozen=True, slots=True)
class FillStart:
    """The moment filling began: what rates are measured from."""

    at_seconds: float
    """Monotonic."""
    local_bytes: int


def bytes_per_second(start: FillStart, now_seconds: float, local_bytes: int) -> float | None:
    """The mean rate since the start; None before anything landed."""
    elapsed, landed = now_seconds - start.at_seconds, local_bytes - start.local_bytes
    return landed / elapsed if elapsed > 0 and landed > 0 else None


def seconds_left(missing_bytes: int, rate: float | None) -> float | None:
    """How long the missing bytes take; None when there is no rate yet."""
    if missing_bytes == 0:
        return 0.0
    return None if rate is None else missing_bytes / rate
