"""Who reads which chunk of one blob now, and which chunks nobody has read for long.

A chunk of an open blob may be given up (`cachefs.store.shedding`), and its bytes turn into a hole. Whoever reads from
the data file therefore counts as a user of the chunk from before it looks at the state until it has the bytes; who
gives the chunk up makes it MISSING in the same step in which it finds that there is no user. So a reader either finds
the chunk MISSING, or keeps it whole.

One short lock per read of up to 1 MiB, and none at all once the blob is complete.
"""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from itertools import compress, count

from cachefs.store.values import ChunkState


class Uses:
    """The uses of one blob's chunks. Thread-safe. `states` is the index's; `turn` numbers all uses of the store."""

    def __init__(self, states: bytearray, turn: Callable[[], int]) -> None:
        self._states = states
        self._turn = turn
        self._lock = threading.Lock()  # guards _users, and that a chunk with users stays what it is; taken last
        self._users: dict[int, int] = {}
        self._last = [0] * len(states)

    def begin(self, chunks: range) -> bool:
        """Be a user of all of these until `end`. False, and no user, when one of them is not PRESENT."""
        with self._lock:
            if self._states.count(ChunkState.PRESENT, chunks.start, chunks.stop) != len(chunks):
                return False
            self._add(chunks)
            return True

    def hold(self, chunk: int) -> None:
        """Be a user of the chunk until `end`, whatever its state. If it is here now, it stays."""
        with self._lock:
            self._add(range(chunk, chunk + 1))

    def end(self, chunks: range) -> None:
        """Undo one `begin` or `hold`."""
        with self._lock:
            for chunk in chunks:
                self._users[chunk] -= 1
                if not self._users[chunk]:
                    del self._users[chunk]

    def touch(self, chunk: int) -> None:
        """The chunk has just landed: as good as read."""
        self._last[chunk] = self._turn()

    def withdraw(self, chunk: int) -> bool:
        """Make the chunk MISSING, in memory. False when it has a user, or is MISSING already."""
        with self._lock:
            if chunk in self._users or self._states[chunk] == ChunkState.MISSING:
                return False
            self._states[chunk] = ChunkState.MISSING
            return True

    def idle(self) -> int:
        """How many chunks are here without a user, or nearly: it may change at once."""
        return max(0, len(self._states) - self._states.count(ChunkState.MISSING) - len(self._users))

    def coldest(self, most: int) -> list[tuple[int, int]]:
        """Up to `most` chunks that are here without a user, as (turn of the last use, chunk), the coldest first."""
        with self._lock:
            users = set(self._users)
        here = compress(zip(self._last, count()), bytes(self._states))  # MISSING is 0
        return heapq.nsmallest(most, (cold for cold in here if cold[1] not in users))

    def _add(self, chunks: range) -> None:
        turn = self._turn()
        for chunk in chunks:
            self._users[chunk] = self._users.get(chunk, 0) + 1
            if chunk < len(self._last):
                self._last[chunk] = turn
