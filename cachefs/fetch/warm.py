"""One warm-up under way. Owned by the loop."""

from __future__ import annotations

import asyncio

from cachefs.errors import DeadlineExceeded
from cachefs.fetch.live import LiveBlob
from cachefs.fetch.span import Client
from cachefs.types import Priority


class Warm:
    """Wants every chunk of a blob. Shares its flights with readers; stops at the first failure that no retry helps."""

    def __init__(
        self, live: LiveBlob, client: Client, priority: Priority, done: asyncio.Future[None], stall_seconds: float
    ) -> None:
        self.live = live
        self.client = client
        self.priority = priority
        self.done = done
        self._stall_seconds = stall_seconds
        self.progressed_at = 0.0
        self.stalls_at = 0.0

    @property
    def over(self) -> bool:
        """Whether it is complete, failed or cancelled."""
        return self.done.done()

    def progressed(self, now: float) -> None:
        """Something landed."""
        self.progressed_at = now
        self.stalls_at = now + self._stall_seconds

    def fail(self, error: BaseException) -> None:
        """It cannot be completed."""
        if not self.over:
            self.done.set_exception(error)

    def check(self, now: float) -> None:
        """Finish if it is complete and all its spans have reported, give up if nothing landed for too long."""
        if self.live.sealed and not self.live.flights.flying and not self.over:
            self.done.set_result(None)
        elif now >= self.stalls_at:
            self.fail(self._stalled())

    def _stalled(self) -> BaseException:
        reason = f": {self.live.last_error}" if self.live.last_error else ""
        return DeadlineExceeded(f"{self.live.info.uri}: nothing arrived for {self._stall_seconds:.0f} s{reason}")
