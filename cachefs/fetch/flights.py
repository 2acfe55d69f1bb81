"""Singleflight: what each chunk of one blob is doing on this node, so that none is ever fetched twice at a time.

A chunk is in flight as part of one span. Whoever else wants it meanwhile waits for that flight, so cancelling one
waiter harms no other. A failure is not remembered: the chunk can be started again at once or after a pause. Whenever a
chunk is wanted the store is asked again, because it may have been verified away or filled since.

Owned by the loop. One byte per chunk, so that finding the next run of startable chunks is one search in C, whatever the
size of the blob.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from enum import IntEnum

from cachefs import bitset
from cachefs.sharing import ChunkSet
from cachefs.store import ChunkState


class Mark(IntEnum):
    """What a chunk is doing."""

    IDLE = 0
    """Nothing to do: it is here, or was when it was last looked at."""
    FETCH = 1
    """May be fetched."""
    VERIFY = 2
    """May be verified: it was written before an unclean stop."""
    FLYING = 3
    """Part of a span."""
    PAUSED = 4
    """Failed, and not to be tried again yet."""


_OF_STATE = {
    ChunkState.PRESENT: Mark.IDLE,
    ChunkState.MISSING: Mark.FETCH,
    ChunkState.SUSPECT: Mark.VERIFY,
}

_NO_FETCH = bytes(Mark.IDLE if value == Mark.FETCH else value for value in range(256))

_RUN = re.compile(rb"\x01+|\x02+")


def next_run(marks: bytes | bytearray, chunks: range) -> range:
    """The first run of consecutive startable chunks of one kind inside `chunks`; empty when there is none."""
    found = _RUN.search(marks, chunks.start, chunks.stop)
    return range(found.start(), found.end()) if found else range(0)


def only(marks: bytes, fetchable: ChunkSet) -> bytes:
    """`marks` where no chunk may be fetched but those in `fetchable`."""
    left = bytearray(marks.translate(_NO_FETCH))
    for chunk in bitset.each(fetchable):
        left[chunk] = Mark.FETCH
    return bytes(left)


class Flights:
    """The chunks of one blob. `state` asks the store (or what stands in for it) about one chunk, without blocking."""

    def __init__(self, count: int, state: Callable[[int], ChunkState]) -> None:
        self._state = state
        self._flying = 0
        self._paused: dict[int, float] = {}
        self._attempts: dict[int, int] = {}
        self._marks = bytearray(_OF_STATE[state(chunk)] for chunk in range(count))

    @property
    def marks(self) -> bytes:
        """A copy of all marks."""
        return bytes(self._marks)

    @property
    def flying(self) -> bool:
        """Whether any chunk is in flight."""
        return self._flying > 0

    @property
    def quiet(self) -> bool:
        """Whether nothing is in flight, startable or paused."""
        return not self._flying and not self._paused and self.startable() == 0

    def startable(self) -> int:
        """Number of chunks that could be started now."""
        return self._marks.count(Mark.FETCH) + self._marks.count(Mark.VERIFY)

    @property
    def fetchable(self) -> ChunkSet:
        """The chunks that may be fetched now, as a bitset."""
        return bitset.where(self._marks, Mark.FETCH)

    def want(self, chunk: int) -> None:
        """Look at `chunk` again, unless it is in flight or paused: it may be startable now."""
        if self._marks[chunk] not in (Mark.FLYING, Mark.PAUSED):
            self._marks[chunk] = _OF_STATE[self._state(chunk)]

    def want_all(self) -> None:
        """Look at every chunk again."""
        for chunk in range(len(self._marks)):
            self.want(chunk)

    def lost(self, missing: ChunkSet) -> None:
        """Look again at those of `missing` that were here: they are not any more."""
        for chunk in bitset.each(bitset.where(self._marks, Mark.IDLE) & missing):
            self.want(chunk)

    def begin(self, chunks: Iterable[int]) -> None:
        """`chunks` are in flight from now on. Raises RuntimeError when one of them already is."""
        for chunk in chunks:
            if self._marks[chunk] not in (Mark.FETCH, Mark.VERIFY):
                raise RuntimeError(f"chunk {chunk} cannot be started: {Mark(self._marks[chunk]).name}")
            self._marks[chunk] = Mark.FLYING
            self._flying += 1

    def end(self, chunks: Iterable[int]) -> None:
        """`chunks` are no longer in flight; they are startable where the store still misses them."""
        for chunk in chunks:
            self._flying -= 1
            self._marks[chunk] = _OF_STATE[self._state(chunk)]
            if self._marks[chunk] == Mark.IDLE:
                self._attempts.pop(chunk, None)

    def attempts(self, chunk: int) -> int:
        """How often `chunk` failed since it last landed."""
        return self._attempts.get(chunk, 0)

    def pause(self, chunk: int, until: float) -> None:
        """`chunk`, which is not in flight, failed: leave it alone until `until`."""
        self._marks[chunk] = Mark.PAUSED
        self._paused[chunk] = until
        self._attempts[chunk] = self.attempts(chunk) + 1

    def resume(self, now: float) -> None:
        """Look again at the chunks whose pause is over."""
        for chunk in [chunk for chunk, until in self._paused.items() if until <= now]:
            del self._paused[chunk]
            self._marks[chunk] = _OF_STATE[self._state(chunk)]

    def next_resume(self) -> float | None:
        """When the first pause is over."""
        return min(self._paused.values(), default=None)
