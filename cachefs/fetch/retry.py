"""When to try again: exponential back-off with full jitter, and a budget per origin. Pure.

Back-off paces the retries of one chunk. The budget looks at an origin as a whole: failures spend it, successes earn it
back, and when it is spent the origin counts as down. From then on it sees one probe at a time, at the pace of the
back-off, however many chunks are wanted; the first success opens it again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: anywhere between nothing and the doubled delay, so that clients spread out."""

    base_seconds: float
    cap_seconds: float

    def delay_seconds(self, attempt: int, jitter: float) -> float:
        """How long to wait before retry number `attempt` (from 0). `jitter` is uniform in [0, 1)."""
        return jitter * min(self.cap_seconds, self.base_seconds * 2.0 ** min(attempt, 30))


@dataclass(frozen=True, slots=True)
class Health:
    """What is left of an origin's retry budget."""

    budget: float
    earned_ratio: float
    tokens: float
    failures: int = 0
    """In a row."""
    probe_at: float = 0.0
    """While down: the moment of the next probe."""

    @classmethod
    def full(cls, budget: float, earned_ratio: float) -> Health:
        """An origin nothing is known about."""
        return cls(budget, earned_ratio, tokens=budget)

    @property
    def down(self) -> bool:
        """Whether the budget is spent."""
        return self.tokens < 1.0

    def succeeded(self) -> Health:
        """After a request that brought bytes: up in any case, and a little richer."""
        tokens = min(self.budget, max(self.tokens, 1.0) + self.earned_ratio)
        return replace(self, tokens=tokens, failures=0, probe_at=0.0)

    def failed(self, now: float, backoff: Backoff, jitter: float) -> Health:
        """After a request that failed and may be repeated."""
        tokens = max(0.0, self.tokens - 1.0)
        excess = max(0, self.failures - int(self.budget))
        probe_at = now + backoff.delay_seconds(excess, jitter) if tokens < 1.0 else 0.0
        return replace(self, tokens=tokens, failures=self.failures + 1, probe_at=probe_at)
