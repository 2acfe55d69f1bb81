"""Where the time of reads goes: the account that `explain` is made from.

A load is a row of reads without a long pause; a later one is counted anew. A read is in hand from its arrival until it
is answered. What one read spent waiting, and on what, is told by whoever let it wait (`ReadReply.waited`); what nobody
tells was spent here, between the kernel and the cache file. One addition or two a read, whatever its size.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cachefs.ports import NOT_WAITED, Waited

PAUSE_SECONDS = 10.0
"""Longer than any engine thinks between two shards, shorter than the time between two starts of an engine."""


@dataclass(frozen=True, slots=True)
class LoadTimes:
    """The load that runs, or the last one."""

    elapsed_seconds: float = 0.0
    """From its first read to the answer of its last one; to now, while one is in hand."""
    busy_seconds: float = 0.0
    """Of these, the time in which at least one read was in hand. The rest is the readers' own."""
    read_seconds: float = 0.0
    """The times that all reads were in hand, added up: with several at a time it is more than `busy_seconds`."""
    waited: Waited = NOT_WAITED
    """What of `read_seconds` was spent waiting for missing bytes."""
    file_seconds: float = 0.0
    """What of them was spent reading the cache file."""


NO_LOAD = LoadTimes()


class ReadTimes:
    """Thread-safe."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards everything below
        self._in_hand = 0
        self._began_at: float | None = None
        self._changed_at = 0.0
        self._busy_seconds = self._read_seconds = self._file_seconds = 0.0
        self._waited = NOT_WAITED

    def arrived(self) -> None:
        """A read is in hand."""
        with self._lock:
            now = self._clock()
            if self._began_at is None or (not self._in_hand and now - self._changed_at > PAUSE_SECONDS):
                self._begin(now)
            self._advance(now)
            self._in_hand += 1

    def answered(self) -> None:
        """One of them is not any more."""
        with self._lock:
            self._advance(self._clock())
            self._in_hand -= 1

    def waited(self, waited: Waited) -> None:
        """One of them waited so long for missing bytes."""
        with self._lock:
            self._waited += waited

    def read_file(self, seconds: float) -> None:
        """Reading the cache file for one of them took so long."""
        with self._lock:
            self._file_seconds += seconds

    def snapshot(self) -> LoadTimes:
        """The account by now."""
        with self._lock:
            if self._began_at is None:
                return NO_LOAD
            if self._in_hand:
                self._advance(self._clock())
            return LoadTimes(
                self._changed_at - self._began_at,
                self._busy_seconds,
                self._read_seconds,
                self._waited,
                self._file_seconds,
            )

    def _begin(self, now: float) -> None:
        self._began_at = self._changed_at = now
        self._busy_seconds = self._read_seconds = self._file_seconds = 0.0
        self._waited = NOT_WAITED

    def _advance(self, now: float) -> None:
        seconds, self._changed_at = now - self._changed_at, now
        self._busy_seconds += seconds if self._in_hand else 0.0
        self._read_seconds += seconds * self._in_hand
