"""A token bucket as a value: how long to wait before the next bytes may leave. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

BURST_SECONDS = 0.005
"""What may leave at once after a pause, as time of the limit: more than a thread oversleeps, so that the limit is
reached, and too little to fill the queue of a switch."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """At most ``rate * t + burst`` bytes leave in any `t` seconds, if nobody takes more than `burst_bytes` at a time.

    `tokens` is what may leave at the moment `at`; below zero it is what was taken ahead of time, and whoever took it
    waits until it has been made up. Takers are thus served in the order in which they came.
    """

    bytes_per_second: float
    burst_bytes: float
    tokens: float
    at: float

    @classmethod
    def full(cls, bytes_per_second: float, burst_bytes: float, now: float) -> Bucket:
        """A bucket nobody took from lately."""
        return cls(bytes_per_second, burst_bytes, burst_bytes, now)

    def take(self, nbytes: int, now: float) -> tuple[Bucket, float]:
        """The bucket after `nbytes` were taken at `now`, and the seconds to wait before they leave."""
        now = max(now, self.at)
        filled = min(self.burst_bytes, self.tokens + (now - self.at) * self.bytes_per_second)
        left = filled - nbytes
        return replace(self, tokens=left, at=now), max(0.0, -left / self.bytes_per_second)
