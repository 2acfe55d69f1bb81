"""Blobs that the lane has borrowed from the store, kept open between requests.

Opening a blob costs about 0.75 ms, as much as sending 2 MB of it. A borrowed blob cannot be evicted though, so only a
few are kept, and only for some seconds after their last use.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cachefs.sharing import Lender, LentBlob
from cachefs.types import BlobId

KEPT_BLOBS = 8
"""Unused ones kept open. A model has some 4 to 200 files, of which a node asks for one or two at a time."""

KEPT_SECONDS = 3.0


@dataclass(slots=True)
class _Kept:
    blob: LentBlob
    users: int
    used_at: float


class LentBlobs:
    """Borrowed blobs, shared by all connections. Thread-safe."""

    def __init__(
        self,
        lender: Lender,
        *,
        most: int = KEPT_BLOBS,
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lender = lender
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()  # guards _kept, its values and _closed
        self._kept: dict[BlobId, _Kept] = {}
        self._closed = False

    def __len__(self) -> int:
        """Blobs that cannot be evicted because of us."""
        return len(self._kept)

    @contextmanager
    def borrow(self, blob_id: BlobId) -> Iterator[LentBlob | None]:
        """The blob, usable until the block ends; None when the store does not lend it. May touch files."""
        kept = self._take(blob_id) or self._lend(blob_id)
        try:
            yield kept.blob if kept else None
        finally:
            if kept:
                self._put_back(kept)

    def sweep(self) -> None:
        """Release what nobody used for a while. Called now and then by whoever owns this."""
        before = self._clock() - self._seconds
        self._release(lambda kept: kept.used_at <= before)

    def close(self) -> None:
        """Release everything: what is in use, when its user is done."""
        with self._lock:
            self._closed = True
        self._release(lambda _: True)

    def _take(self, blob_id: BlobId) -> _Kept | None:
        with self._lock:
            kept = self._kept.get(blob_id)
            if kept:
                kept.users += 1
            return kept

    def _lend(self, blob_id: BlobId) -> _Kept | None:
        """Ask the store, without the lock: it touches files. Two may do so at once, and then one gives back."""
        blob = self._lender.lend(blob_id)
        if blob is None:
            return None
        mine = _Kept(blob, 1, self._clock())
        with self._lock:
            kept = self._kept.setdefault(blob_id, mine)
            if kept is not mine:
                kept.users += 1
        if kept is not mine:
            blob.release()
        return kept

    def _put_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.used_at = self._clock()
            before = math.inf if self._closed else self._too_old()
        self._release(lambda other: other.used_at <= before)

    def _too_old(self) -> float:
        """Of those used at this moment or earlier there are too many. The lock is held."""
        excess = len(self._kept) - self._most
        unused = sorted(kept.used_at for kept in self._kept.values() if not kept.users)
        return unused[min(excess, len(unused)) - 1] if excess > 0 and unused else -math.inf

    def _release(self, condition: Callable[[_Kept], bool]) -> None:
        """Give those unused ones back to the store that meet the condition."""
        with self._lock:
            released = {key: kept for key, kept in self._kept.items() if not kept.users and condition(kept)}
            for key in released:
                del self._kept[key]
        for kept in released.values():
            kept.blob.release()
