"""How long filling still takes, and how good that was to know. Pure.

The rate is that of the latest part of the time, and not the mean since the start: a fill speeds up when peers join it
and slows down when an origin does, and what was long ago says nothing about what is left.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from mows.progress import seconds_left

WINDOW_RATIO = 0.5
"""Of the time since the first bytes: a long wait is foretold from a long look back, or it would jump about."""
LEAST_WINDOW_SECONDS = 1.0
MOST_WINDOW_SECONDS = 60.0

SPACING_SECONDS = 0.1
"""Looks closer together than that count as one."""

JUDGED_AT = 0.1
"""The part of the bytes after which what is foretold is held against what came."""


@dataclass(frozen=True, slots=True)
class Seen:
    """So many bytes were there at that moment (monotonic)."""

    at: float
    local_bytes: int


@dataclass(frozen=True, slots=True)
class Foretold:
    """At that moment, so many seconds were said to be left."""

    at: float
    seconds: float


@dataclass(slots=True)
class Forecast:
    """Of one uninterrupted fill, which began with `start`. Fed with `see`, now and then."""

    total_bytes: int
    start: Seen
    judged: Foretold | None = None
    """The first estimate after a tenth of the missing bytes."""
    _seen: deque[Seen] = field(default_factory=deque)

    def see(self, now: float, local_bytes: int) -> None:
        """So much is there now. The time before the first bytes land is no part of any rate."""
        latest = Seen(now, local_bytes)
        if local_bytes <= self.start.local_bytes or not self._seen:
            self._seen = deque([self.start if local_bytes > self.start.local_bytes else latest])
        if local_bytes <= self.start.local_bytes:
            return
        if len(self._seen) > 1 and now - self._seen[-1].at < SPACING_SECONDS:
            self._seen.pop()
        self._seen.append(latest)
        self._forget(now)
        self._judge(latest)

    def bytes_per_second(self) -> float | None:
        """The rate of late; None before there is one, and while nothing comes."""
        if not self._seen:
            return None
        first, last = self._seen[0], self._seen[-1]
        landed, elapsed = last.local_bytes - first.local_bytes, last.at - first.at
        return landed / elapsed if elapsed > 0 and landed > 0 else None

    def seconds_left(self, local_bytes: int) -> float | None:
        """Until everything is there; None without a rate."""
        return seconds_left(max(0, self.total_bytes - local_bytes), self.bytes_per_second())

    def error_ratio(self, ended_at: float) -> float | None:
        """How far the judged estimate was from the time that was left: 0.2 is a fifth too long, -0.2 too short."""
        if self.judged is None or ended_at <= self.judged.at:
            return None
        left = ended_at - self.judged.at
        return (self.judged.seconds - left) / left

    def _judge(self, latest: Seen) -> None:
        landed, missing = latest.local_bytes - self.start.local_bytes, self.total_bytes - self.start.local_bytes
        if self.judged is None and landed >= JUDGED_AT * missing:
            seconds = self.seconds_left(latest.local_bytes)
            self.judged = None if seconds is None else Foretold(latest.at, seconds)

    def _forget(self, now: float) -> None:
        """What is older than the window, but for the one that the rate begins at."""
        whole = WINDOW_RATIO * (now - self.start.at)
        window = min(MOST_WINDOW_SECONDS, max(LEAST_WINDOW_SECONDS, whole))
        while len(self._seen) > 2 and self._seen[1].at <= now - window:
            self._seen.popleft()
