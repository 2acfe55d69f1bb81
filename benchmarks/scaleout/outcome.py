"""What a scenario answers, before it is put together with what the surroundings have measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.scaleout.reader import Reading
from benchmarks.scaleout.stage import Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One run of one scenario."""

    measured: Measured
    finish_seconds: Mapping[str, float]
    """By node, from the beginning of the run or, where a node begins later, from its own beginning."""
    bound_seconds: float
    """For the last of those nodes that the scenario is about."""
    last_seconds: float | None = None
    """When the last of those was done; None: the largest of `finish_seconds`."""
    readings: Sequence[Reading] = ()
    """What was read while the run went on."""
    checks: Mapping[str, bool] = field(default_factory=dict)
    notes: Mapping[str, object] = field(default_factory=dict)
    """What only this scenario has to say; goes into the result as it is."""
