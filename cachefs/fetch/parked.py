"""Reads that wait for missing chunks, and who answers them.

No thread waits for a parked read: whoever lands the last chunk it misses answers it. A read stands in line for one
missing chunk at a time; when that lands it is answered or moves on to the next one it misses. Standing in line is
check, register, check again: a chunk that lands between the first check and the registration is seen by the second, so
no wake-up is lost. Whoever takes a read out of its line, under the lock, owns it, and only the owner answers it:
exactly once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum

from cachefs.fetch.span import Client, Span
from cachefs.ports import NOT_WAITED, ReadReply, Waited
from cachefs.types import ByteRange


@dataclass(eq=False, slots=True)
class ParkedRead:
    """One read that waits."""

    span: ByteRange
    client: Client
    reply: ReadReply
    parked_at: float
    expires_at: float
    """On the monotonic clock, like `parked_at`."""
    parts: dict[int, bytes] = field(default_factory=dict)
    """By chunk: the bytes of this read that only memory holds, copied when seen, because they may be gone later."""
    waited: Waited = NOT_WAITED
    """What it waited for so far, as far as a span that ended told it."""

    def waited_for(self, span: Span, now: float) -> None:
        """A chunk that it waits for landed with `span`, or did not, because that failed. By its owner of the moment."""
        self.waited += span.waited(self.parked_at + self.waited.total, now)

    def all_waited(self, now: float) -> Waited:
        """What it waited for until now. For what is left, nothing was under way."""
        return self.waited + Waited(queued=max(0.0, now - self.parked_at - self.waited.total))


class Parking(Enum):
    """What became of a read that was to be parked."""

    PARKED = "somebody will answer it"
    READY = "nothing is missing: the caller answers it"
    CLOSED = "nobody will land anything any more: the caller answers it"


class ParkingLot:
    """The parked reads of one blob. `missing` names the first chunk a read still misses, or None. Thread-safe."""

    def __init__(self, missing: Callable[[ParkedRead], int | None]) -> None:
        self._missing = missing
        self._lock = threading.Lock()  # guards _lines and _closed
        self._lines: dict[int, dict[ParkedRead, None]] = {}
        self._closed = False

    def park(self, read: ParkedRead) -> Parking:
        """Let `read` stand in line, if it must."""
        while (chunk := self._missing(read)) is not None:
            with self._lock:
                if self._closed:
                    return Parking.CLOSED
                self._lines.setdefault(chunk, {})[read] = None
            if self._missing(read) == chunk or not self._leave(chunk, read):
                return Parking.PARKED
        return Parking.READY

    def landed(self, chunk: int, span: Span | None = None) -> tuple[list[ParkedRead], list[ParkedRead]]:
        """`chunk` is here: the reads that can be answered now, and those that never will. The caller answers them.

        `span` brought it: what these reads waited for is known then.
        """
        with self._lock:
            line = self._lines.pop(chunk, {})
        if span is not None:
            for read in line:
                read.waited_for(span, time.monotonic())
        parked = [(read, self.park(read)) for read in line]
        return (
            [read for read, parking in parked if parking is Parking.READY],
            [read for read, parking in parked if parking is Parking.CLOSED],
        )

    def failed(self, chunks: Iterable[int], span: Span) -> None:
        """`span` did not bring these chunks: the reads that stand in line for them waited for it in vain."""
        with self._lock:
            for read in [read for chunk in chunks for read in self._lines.get(chunk, {})]:
                read.waited_for(span, time.monotonic())

    def take(self, chunks: Iterable[int]) -> list[ParkedRead]:
        """All reads that stand in line for `chunks`. The caller answers them."""
        with self._lock:
            return [read for chunk in chunks for read in self._lines.pop(chunk, {})]

    def take_expired(self, now: float) -> list[ParkedRead]:
        """All reads whose time is over. The caller answers them."""
        return self._take_if(lambda read: read.expires_at <= now)

    def close(self) -> list[ParkedRead]:
        """All reads; none is parked from now on. The caller answers them."""
        with self._lock:
            self._closed = True
            lines, self._lines = self._lines, {}
            return [read for line in lines.values() for read in line]

    def reads(self) -> list[ParkedRead]:
        """All reads that wait now, to look at."""
        if not self._lines:
            return []
        with self._lock:
            return [read for line in self._lines.values() for read in line]

    def awaited(self) -> list[int]:
        """The chunks that reads stand in line for now."""
        with self._lock:
            return list(self._lines)

    def _take_if(self, chosen: Callable[[ParkedRead], bool]) -> list[ParkedRead]:
        if not self._lines:
            return []
        with self._lock:
            taken = [(chunk, read) for chunk, line in self._lines.items() for read in line if chosen(read)]
            for chunk, read in taken:
                self._remove(chunk, read)
            return [read for _, read in taken]

    def _leave(self, chunk: int, read: ParkedRead) -> bool:
        """Take `read` out of its line. False when somebody else has."""
        with self._lock:
            return self._remove(chunk, read)

    def _remove(self, chunk: int, read: ParkedRead) -> bool:
        line = self._lines.get(chunk, {})
        if read not in line:
            return False
        del line[read]
        if not line:
            del self._lines[chunk]
        return True
