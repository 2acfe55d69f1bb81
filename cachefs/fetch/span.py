"""One flight: consecutive chunks of one blob that come over one connection, and the borrowing between two threads.

The loop starts it and may cut it short; a fill thread walks through it. What they share is how far it may go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from cachefs.ports import Origin
from cachefs.types import BlobId, Priority

Account = Callable[[str, int], None]
"""Called with (source, bytes) for every chunk that landed, on a fill thread."""


@dataclass(frozen=True, slots=True)
class Client:
    """On whose behalf something is fetched: whose connections and credentials, and whose bill."""

    origin: Origin
    account: Account


@dataclass(frozen=True, slots=True)
class SpanPlan:
    """What the planner decided to start."""

    blob: BlobId
    chunks: range
    priority: Priority
    verify: bool
    """The chunks are here and suspect: hash them instead of fetching them."""
    cost_bytes: int
    """Memory it occupies while it runs."""
    client: Client


class Span:
    """A plan under way."""

    def __init__(self, plan: SpanPlan, started_at: float) -> None:
        self.plan = plan
        self.started_at = started_at
        self._lock = threading.Lock()  # guards _begun and _stop
        self._begun = plan.chunks.start  # the chunks before it were begun, or are done
        self._stop = plan.chunks.stop
        self._cancelled = False

    @property
    def stop(self) -> int:
        """The chunk before which it ends."""
        return self._stop

    @property
    def cancelled(self) -> bool:
        """Whether to give up at once, even within a chunk."""
        return self._cancelled

    def cancel(self) -> None:
        """Give up at the next piece."""
        self._cancelled = True

    def enter(self, chunk: int) -> bool:
        """The fill thread begins `chunk`. False when it was cut off."""
        with self._lock:
            if chunk >= self._stop or self._cancelled:
                return False
            self._begun = chunk + 1
            return True

    def cut(self, chunk: int) -> range:
        """Take `chunk` and all after it out of the span, if it was not begun yet. Returns what was taken."""
        with self._lock:
            if not self._begun <= chunk < self._stop:
                return range(0)
            taken = range(chunk, self._stop)
            self._stop = chunk
            return taken
