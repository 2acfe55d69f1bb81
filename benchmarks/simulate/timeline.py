"""Events in the order of their time. Events of one moment happen in the order they were planned in."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timeline:
    """The clock of a simulation, and what will happen when. Seconds since its start."""

    def __init__(self) -> None:
        self.now = 0.0
        self._planned: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._sequence = 0

    def after(self, seconds: float, action: Callable[..., object], *arguments: object) -> None:
        """Call `action` with `arguments` so much later than now."""
        self._sequence += 1
        heapq.heappush(self._planned, (self.now + seconds, self._sequence, action, arguments))

    @property
    def next_time(self) -> float:
        """When the next event happens; infinite when nothing is planned."""
        return self._planned[0][0] if self._planned else float("inf")

    def step(self) -> None:
        """Let the next event happen. There must be one."""
        self.now, _, action, arguments = heapq.heappop(self._planned)
        action(*arguments)
