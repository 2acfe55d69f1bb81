"""The values a benchmark is made of: figures, targets, and runs that take turns. Pure but for the runs themselves."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Figure:
    """One quantity, measured some times under the same conditions."""

    name: str
    unit: str
    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle sample: what is reported, because one disturbed run does not move it."""
        return statistics.median(self.samples)


@dataclass(frozen=True, slots=True)
class Target:
    """What DESIGN section 10 demands, and what was measured."""

    name: str
    measured: float
    bound: float
    sense: Literal["at least", "at most"]
    unit: str = ""
    """Empty for a ratio."""

    @property
    def met(self) -> bool:
        """Whether it is good enough."""
        return self.measured >= self.bound if self.sense == "at least" else self.measured <= self.bound


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one question was answered with."""

    question: str
    figures: Sequence[Figure]
    targets: Sequence[Target] = ()


def alternate(
    runs: Mapping[str, Callable[[], float]], *, repeats: int, unit: str, before: Callable[[], None] = lambda: None
) -> dict[str, Figure]:
    """Do all runs in turn, `repeats` times over, so that what disturbs the machine disturbs them alike.

    A run answers one sample. The figures have the names of their runs. `before` is called before each run.
    """
    samples: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            before()
            samples[name].append(run())
    return {name: Figure(name, unit, tuple(taken)) for name, taken in samples.items()}


def at_least(name: str, figure: Figure, reference: Figure, bound_ratio: float) -> Target:
    """`figure` should be at least `bound_ratio` of `reference`."""
    return Target(name, figure.median / reference.median, bound_ratio, "at least")


def fastest(figures: Sequence[Figure]) -> Figure:
    """The one with the highest median."""
    return max(figures, key=lambda figure: figure.median)


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that at least `share` (0 to 1) of all samples do not exceed."""
    return sorted(samples)[max(0, math.ceil(share * len(samples)) - 1)]
