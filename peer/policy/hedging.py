"""When something takes too long, judged by how long the like of it took lately.

A request that is late is made once more, of another peer, when slots are free. Hedging brings nothing while all are
healthy (DESIGN section 9, rule 7), so it has to stay silent then: chunks are late beyond twice the p95. A slow peer
that serves more than a twentieth of the chunks would raise the p95 to its own pace and so hide behind it; the median
stays with the healthy majority, and bounds the p95 from above.

What a peer announced that it gets from the origin is late in the same way, by the times of origin requests: then its
second-ranked owner takes the chunk over (`peer.policy.duty`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

REMEMBERED = 64
"""Times that count: some seconds of traffic, so that a change of pace shows soon."""

FEW = 8
"""With fewer times than that nothing is known."""

PATIENCE = 2.0
"""Late is beyond so many p95."""

HEALTHY_SPREAD = 3.0
"""The p95 of healthy chunks lies within so many medians; what is more than that is a slow peer's."""

HEDGE_FLOOR_SECONDS = 0.1
"""Not hedged sooner: by then word of new holders has come round (rule 6), and a hiccup of a daemon is over."""

LATE_PATIENCE = 3.0
"""Announced chunks are late beyond so many p95: more than for a hedge, because what comes twice then comes from the
origin."""

ORIGIN_SPREAD = 10.0
"""Their p95 may lie within so many medians: connections that share what an origin gives one client are far from even.
With three, four nodes with 50 Mbit/s each asked for 7 to 12 % of the chunks twice (docs/SCALEOUT.md)."""

LATE_SECONDS = (3.0, 30.0)
"""An announced chunk is never late before the first of the two, and always after the second.

Below, the first requests of a cold start are judged by those that came back first; above, a reader waits."""

LATE_UNKNOWN_SECONDS = 5.0
"""While nobody knows how long an origin request takes here."""


@dataclass(frozen=True, slots=True)
class ChunkTimes:
    """How long the last chunks took, in seconds, oldest first."""

    seconds: tuple[float, ...] = ()

    def observe(self, seconds: float) -> ChunkTimes:
        """With one more, which takes the place of the oldest."""
        return ChunkTimes((*self.seconds[-(REMEMBERED - 1) :], seconds))

    @property
    def p95(self) -> float | None:
        """19 of 20 took at most so long. None while none is known."""
        return self._quantile(0.95)

    @property
    def median(self) -> float | None:
        """Half of them took at most so long. None while none is known."""
        return self._quantile(0.5)

    def expected_most(self, spread: float) -> float | None:
        """What a healthy one takes at most: the p95, within `spread` medians. None while few are known."""
        if len(self.seconds) < FEW:
            return None
        ranked = sorted(self.seconds)
        return min(_quantile(ranked, 0.95), spread * _quantile(ranked, 0.5))

    def _quantile(self, ratio: float) -> float | None:
        return _quantile(sorted(self.seconds), ratio) if self.seconds else None


def _quantile(ranked: list[float], ratio: float) -> float:
    return ranked[math.ceil(ratio * len(ranked)) - 1]


def hedge_after_seconds(times: ChunkTimes, floor: float = HEDGE_FLOOR_SECONDS) -> float:
    """How long a request may run before it is made once more; infinite while too few are known."""
    most = times.expected_most(HEALTHY_SPREAD)
    return math.inf if most is None else max(floor, PATIENCE * most)


def late_after_seconds(times: ChunkTimes) -> float:
    """How long an announced chunk, or one that is its owner's to fetch, may take. `times` are of origin requests."""
    most = times.expected_most(ORIGIN_SPREAD)
    if most is None:
        return LATE_UNKNOWN_SECONDS
    least, longest = LATE_SECONDS
    return min(longest, max(least, LATE_PATIENCE * most))
