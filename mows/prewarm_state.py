"""The states of a prewarm. A leaf, so that a client of the API can import it without the daemon."""

from __future__ import annotations

from enum import StrEnum


class PrewarmState(StrEnum):
    """Where a prewarm stands. The values are part of the REST interface."""

    PENDING = "pending"
    """Its sources are being listed."""
    QUEUED = "queued"
    """It fits, and its room is kept; it begins when one before it has ended."""
    WARMING = "warming"
    WARM = "warm"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({PrewarmState.WARM, PrewarmState.FAILED, PrewarmState.CANCELLED})
