"""What a prewarm was asked for, as a value. It stands in the record, and travels to other nodes."""

from __future__ import annotations

from dataclasses import dataclass

from mows.prewarm_state import Order


@dataclass(frozen=True, slots=True)
class PrewarmSpec:
    """One job's wishes."""

    sources: tuple[str, ...]
    """As `mows.prewarm_sources.parse_selection` takes them, each once."""
    lease_seconds: float
    order: Order = Order.ENGINE
    rate: float | None = None
    """The most bytes per second to ask of origins, on the average; None: no limit."""
    verify: bool = False
    """Whether to compare what is in the cache already with its hashes first."""
