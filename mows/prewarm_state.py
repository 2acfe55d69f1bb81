"""The states of a prewarm, and orders. A leaf, so that a client of the API can import it without the daemon."""

from __future__ import annotations

from enum import StrEnum


class PrewarmState(StrEnum):
    """Where a prewarm stands. The values are part of the REST interface."""

    PENDING = "pending"
    """Its sources are being listed."""
    QUEUED = "queued"
    """It fits, and its room is kept; it begins when one before it has ended."""
    PAUSED = "paused"
    """Nothing is fetched for it until it is resumed; its room and its lease are kept."""
    VERIFYING = "verifying"
    """What is in the cache already is compared with its hashes."""
    WARMING = "warming"
    WARM = "warm"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINISHED = frozenset({PrewarmState.WARM, PrewarmState.FAILED, PrewarmState.CANCELLED})


class Order(StrEnum):
    """Which files of a source come first. The values are part of the REST interface."""

    ENGINE = "engine"
    """As an inference engine reads them: configuration and tokenizer first, then the shards by number."""
    NAME = "name"
    SIZE = "size"
    """The largest first, so that no large one is left for the end."""
