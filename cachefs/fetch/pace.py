"""How fast one client may ask an origin for bytes: a bucket of tokens that fills with time. Owned by the loop.

Only requests that are about to go out are held back. Nothing is slowed down while it runs, so an origin never looks
slower than it is, and whoever reads the same files at the same time asks in its own name, and waits for nobody's pace.
"""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SECONDS = 0.5
"""What may go out at once after a pause. A request may be larger: it goes out when anything is left, and is owed."""


class Pace:
    """At most so many bytes a second, on the average. Shared by all files of one prewarm."""

    def __init__(self, bytes_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is that of the loop. ValueError unless the rate is positive."""
        if bytes_per_second <= 0:
            raise ValueError(f"{bytes_per_second} bytes per second are no pace")
        self._rate = bytes_per_second
        self._clock = clock
        self._left_bytes = bytes_per_second * BURST_SECONDS
        self._counted_at = clock()

    def opens_at(self) -> float:
        """From when on something may go out; 0 when it may now."""
        self._count()
        return 0.0 if self._left_bytes >= 0 else self._counted_at - self._left_bytes / self._rate

    def take(self, size_bytes: int) -> bool:
        """Whether a request for so many bytes may go out now, which counts then."""
        self._count()
        if self._left_bytes < 0:
            return False
        self._left_bytes -= size_bytes
        return True

    def _count(self) -> None:
        now = self._clock()
        grown_bytes = self._left_bytes + (now - self._counted_at) * self._rate
        self._left_bytes, self._counted_at = min(self._rate * BURST_SECONDS, grown_bytes), now
