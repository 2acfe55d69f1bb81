"""How fast bytes came from the peers and from the origin lately, while there was something to come."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 4.0
"""What came longer ago says little about now."""

LEAST_SECONDS = 0.5
"""A rate over less time is noise."""


class Meter:
    """Bytes per second over the last few seconds, counting only the time in which something was asked for."""

    def __init__(self) -> None:
        self._landed: deque[tuple[float, int]] = deque()
        self._landed_bytes = 0
        self._busy_since: float | None = None
        self._running = 0

    def started(self, now: float) -> None:
        """A request goes out."""
        if self._running == 0:
            self._busy_since = now
            self._landed.clear()
            self._landed_bytes = 0
        self._running += 1

    def ended(self, nbytes: int, now: float) -> None:
        """It brought so much. One that began before this meter did ends here, too."""
        self._running = max(0, self._running - 1)
        if nbytes:
            self._landed.append((now, nbytes))
            self._landed_bytes += nbytes

    def bytes_per_second(self, now: float) -> float | None:
        """None while that is not known."""
        while self._landed and self._landed[0][0] < now - WINDOW_SECONDS:
            self._landed_bytes -= self._landed.popleft()[1]
        if self._busy_since is None:
            return None
        seconds = min(now - self._busy_since, WINDOW_SECONDS)
        return self._landed_bytes / seconds if seconds >= LEAST_SECONDS else None


class Rates:
    """Both sources, as they matter for one blob. The meters are the node's, for all blobs together.

    Slots are shared: nothing of a blob comes from peers while others of the model take them all, and that is no reason
    to ask the origin for it.
    """

    def __init__(self, peers: Meter | None = None, origin: Meter | None = None) -> None:
        self.peers = peers or Meter()
        self.origin = origin or Meter()
        self._backlog_since: float | None = None

    def note_backlog(self, held: bool, now: float) -> float:  # noqa: FBT001 - the fact that is noted
        """Whether peers hold something that is missing here; for how long that has been so without interruption."""
        if not held:
            self._backlog_since = None
            return 0.0
        if self._backlog_since is None:
            self._backlog_since = now
        return now - self._backlog_since
