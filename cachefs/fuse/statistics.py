"""What a connection has done since it was mounted."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachefs.fuse.abi import Opcode
from cachefs.fuse.read_times import NO_LOAD, LoadTimes, ReadTimes
from cachefs.fuse.wait_histogram import NO_WAITS, Histogram, WaitHistogram
from cachefs.ports import Waited


@dataclass(frozen=True, slots=True)
class FuseStatistics:
    """Counts since the mount."""

    requests: dict[str, int]
    """Requests by the name of their opcode."""
    delivered_reads: int
    """Reads answered with data by the daemon. Reads of passthrough files never get here."""
    delivered_bytes: int
    """Bytes of those answers."""
    errors: int
    """Requests that failed for a reason no program asks for: EIO, ESTALE, ... not ENOENT."""
    cached_opens: int
    passthrough_opens: int
    """Opens that the kernel serves by itself from the cache file."""
    load: LoadTimes = NO_LOAD
    """Where the time of the reads of the last load went, those that the kernel served by itself left out."""
    waited_reads: int = 0
    """Reads that found bytes missing, and waited for them."""
    waits: Mapping[str, Histogram] = field(default_factory=lambda: NO_WAITS)
    """How long they waited, by what for; see `cachefs.ports.Waited`."""


class Counters:
    """The counts behind `FuseStatistics`. Thread-safe."""

    def __init__(self) -> None:
        self.times = ReadTimes()
        self._waits = WaitHistogram()
        self._lock = threading.Lock()  # guards everything below
        self._requests: Counter[int] = Counter()
        self._delivered_reads = self._delivered_bytes = self._errors = 0
        self._cached_opens = self._passthrough_opens = 0

    def received(self, opcode: int) -> None:
        """A request has arrived."""
        with self._lock:
            self._requests[opcode] += 1

    def delivered(self, size_bytes: int) -> None:
        """A read was answered with data."""
        with self._lock:
            self._delivered_reads += 1
            self._delivered_bytes += size_bytes

    def waited(self, waited: Waited) -> None:
        """A read has waited, and is answered."""
        self.times.waited(waited)
        self._waits.add(waited)

    def failed(self) -> None:
        """A request failed."""
        with self._lock:
            self._errors += 1

    def opened(self, *, passthrough: bool) -> None:
        """A file was opened."""
        with self._lock:
            if passthrough:
                self._passthrough_opens += 1
            else:
                self._cached_opens += 1

    def snapshot(self) -> FuseStatistics:
        """The counts now."""
        with self._lock:
            return FuseStatistics(
                {_name(opcode): count for opcode, count in sorted(self._requests.items())},
                self._delivered_reads,
                self._delivered_bytes,
                self._errors,
                self._cached_opens,
                self._passthrough_opens,
                self.times.snapshot(),
                *self._waits.snapshot(),
            )


def _name(opcode: int) -> str:
    try:
        return Opcode(opcode).name
    except ValueError:
        return f"OPCODE_{opcode}"
