"""One origin as the scheduler sees it: how many requests may go out now, and when the next ones may.

Joins the two pure states, concurrency (`limiter`) and health (`retry`), with a count of what is running. One lane per
authority, whoever reads from it, so that everybody backs off together. Owned by the loop.
"""

from __future__ import annotations

from collections.abc import Callable

from cachefs.errors import DeadlineExceeded, OriginError, OriginThrottled
from cachefs.fetch import limiter
from cachefs.fetch.limiter import Concurrency
from cachefs.fetch.retry import Backoff, Health
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.statistics import OriginLoad


class Lane:
    """The requests to one origin."""

    def __init__(self, authority: str, settings: FetchSettings, jitter: Callable[[], float], now: float) -> None:
        self.authority = authority
        self.running = 0
        self.memory_bytes = 0
        """What the running requests occupy."""
        self._jitter = jitter
        self._backoff = Backoff(settings.backoff_base_seconds, settings.backoff_cap_seconds)
        self._concurrency = Concurrency.start(settings.initial_concurrency, settings.max_concurrency, now)
        self._health = Health.full(settings.retry_budget, settings.retry_earned_ratio)

    @property
    def limit(self) -> int:
        """Requests the origin should see at a time."""
        return self._concurrency.limit

    @property
    def down(self) -> bool:
        """Whether so much failed that only probes go out."""
        return self._health.down

    def opens_at(self) -> float:
        """The moment from which requests may go out."""
        return max(self._concurrency.closed_until, self._health.probe_at)

    def slots(self, now: float) -> tuple[int, int]:
        """Requests that may be started now: for anybody, and further ones for waiting readers."""
        if now < self.opens_at():
            return 0, 0
        if self.down:
            return max(0, 1 - self.running), 0
        free = self.limit - self.running
        return max(0, free), max(0, min(extra_slots(self.limit), free + extra_slots(self.limit)))

    def retry_delay_seconds(self, attempt: int) -> float:
        """The pause before a chunk's retry number `attempt`."""
        return self._backoff.delay_seconds(attempt, self._jitter())

    def started(self, cost_bytes: int) -> None:
        """A request goes out that occupies `cost_bytes` of memory."""
        self.running += 1
        self.memory_bytes += cost_bytes

    def ended(self, cost_bytes: int, nbytes: int, error: Exception | None, started_at: float, now: float) -> None:
        """A request that `started` with `cost_bytes` brought `nbytes`, and ended with `error`, if any."""
        if nbytes:
            self._health = self._health.succeeded()
            self._concurrency = limiter.landed(self._concurrency, nbytes, self.running, now)
        if isinstance(error, OriginThrottled):
            wait_seconds = self._throttle_seconds(error)
            self._concurrency = limiter.throttled(self._concurrency, started_at, wait_seconds, now)
        elif isinstance(error, OriginError | DeadlineExceeded) and error.retryable:
            self._health = self._health.failed(now, self._backoff, self._jitter())
        self.running -= 1
        self.memory_bytes -= cost_bytes

    def load(self) -> OriginLoad:
        """For the statistics."""
        return OriginLoad(self.limit, self.running, self.down)

    def _throttle_seconds(self, error: OriginThrottled) -> float:
        """The origin's own word plus up to half as much, so that the nodes of a fleet do not come back as one."""
        asked = error.retry_after_seconds
        if asked is None:
            asked = self._backoff.base_seconds
        return asked * (1.0 + self._jitter() / 2)


def extra_slots(limit: int) -> int:
    """Requests beyond `limit` that waiting readers may use."""
    return max(1, limit // 4)
