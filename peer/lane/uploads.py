"""What this node gives to others at a time: slots, bytes in flight, and its share of the uplink.

One `Uploads` serves the bulk lane and the gRPC stream alike, so that a budget holds for both together. A request that
finds no room is answered BUSY at once and nothing waits in a queue here: the asking node knows others to ask.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

from peer.lane.bucket import BURST_SECONDS, Bucket
from peer.settings import PeerLimits
from peer.values import PeerId

SLICE_BYTES = 256 << 10
"""What is sent between two looks at the uplink limit. Without a limit nothing is sliced."""


def has_room(limits: PeerLimits, running: int, bytes_in_flight: int, nbytes: int) -> bool:
    """Whether one more upload of `nbytes` may begin. One that is larger than the whole budget may, alone."""
    if running == 0:
        return limits.uploads > 0
    return running < limits.uploads and bytes_in_flight + nbytes <= limits.bytes_in_flight


class Uploads:
    """The budget of all uploads, and what became of it. Thread-safe."""

    def __init__(
        self,
        limits: PeerLimits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._closed = threading.Event()
        self._sleep = sleep or self._closed.wait
        self._lock = threading.Lock()  # guards everything below
        self._running = 0
        self._bytes_in_flight = 0
        self._busy_given = 0
        self._sent_bytes: dict[PeerId, int] = {}
        self._bucket = _bucket(limits.uplink_bytes_per_second, clock())

    @property
    def slice_bytes(self) -> int | None:
        """The most that may be sent per `Upload.pace`; None when there is no limit and all may go at once."""
        return SLICE_BYTES if self._bucket else None

    @property
    def running(self) -> int:
        """Uploads that began and did not end."""
        return self._running

    @property
    def bytes_in_flight(self) -> int:
        """Bytes of running uploads that were not sent yet."""
        return self._bytes_in_flight

    @property
    def busy_given(self) -> int:
        """How often `try_begin` found no room."""
        return self._busy_given

    @property
    def sent_bytes(self) -> Mapping[PeerId, int]:
        """Bytes sent to each peer since the start, or since it was forgotten. A copy."""
        with self._lock:
            return dict(self._sent_bytes)

    def try_begin(self, peer: PeerId, nbytes: int) -> Upload | None:
        """Room to send `nbytes` to `peer`; None, and that is counted, when there is none now. Never blocks."""
        with self._lock:
            if self._closed.is_set() or not has_room(self._limits, self._running, self._bytes_in_flight, nbytes):
                self._busy_given += 1
                return None
            self._running += 1
            self._bytes_in_flight += nbytes
        return Upload(self, peer, nbytes)

    def forget(self, peer: PeerId) -> None:
        """A peer left for good: its row in `sent_bytes` goes."""
        with self._lock:
            self._sent_bytes.pop(peer, None)

    def close(self) -> None:
        """No upload begins from now on, and none is held back any longer: they end as fast as they can."""
        self._closed.set()

    def pace(self, nbytes: int) -> float:
        """See `Upload.pace`."""
        if self._bucket is None or self._closed.is_set():
            return 0.0
        with self._lock:
            self._bucket, wait_seconds = self._bucket.take(nbytes, self._clock())
        if wait_seconds:
            self._sleep(wait_seconds)
        return wait_seconds

    def note_sent(self, peer: PeerId, nbytes: int, left_bytes: int) -> None:
        """`nbytes` went out to `peer`, `left_bytes` of them out of what was promised."""
        with self._lock:
            self._sent_bytes[peer] = self._sent_bytes.get(peer, 0) + nbytes
            self._bytes_in_flight -= left_bytes

    def note_ended(self, left_bytes: int) -> None:
        """One upload ended, with `left_bytes` of its promise unsent."""
        with self._lock:
            self._running -= 1
            self._bytes_in_flight -= left_bytes


class Upload:
    """Room for one chunk on its way out. For one thread; ends with `end`, or with its context."""

    def __init__(self, uploads: Uploads, peer: PeerId, nbytes: int) -> None:
        self._uploads = uploads
        self._peer = peer
        self._left_bytes = nbytes
        self._open = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def pace(self, nbytes: int) -> float:
        """Block until the uplink limit lets `nbytes` (at most `Uploads.slice_bytes`) go; the seconds that it took."""
        return self._uploads.pace(nbytes)

    def sent(self, nbytes: int) -> None:
        """`nbytes` went out."""
        promised = min(nbytes, self._left_bytes)
        self._left_bytes -= promised
        self._uploads.note_sent(self._peer, nbytes, promised)

    def end(self) -> None:
        """Give the room back. Idempotent."""
        if self._open:
            self._open = False
            self._uploads.note_ended(self._left_bytes)


def _bucket(bytes_per_second: int | None, now: float) -> Bucket | None:
    if bytes_per_second is None:
        return None
    return Bucket.full(bytes_per_second, max(SLICE_BYTES, bytes_per_second * BURST_SECONDS), now)
