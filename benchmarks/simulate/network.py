"""Flows over links: each moves its bytes at its max-min fair rate, and says when it is done.

Rates change whenever a flow begins or ends. They are worked out exactly, for all flows at once, but not more often than
every `quantum_seconds`: a flow that begins in between waits for the next time, and what an ended flow leaves is idle
until then. Of a flow that lasts D, that loses about quantum / 2 D of the capacity: with a quantum of an eighth of the
time a chunk takes on an idle link, and ten chunks at a time on each link, 0.6 %. A quantum of 0 is the exact model; a
test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.simulate.fair import UNLIMITED, max_min_rates
from benchmarks.simulate.timeline import Timeline

LINKS_PER_FLOW = 3
"""Sender, border, receiver; or the origin as a whole, what it gives one client, receiver."""
FIRST_ROWS = 64
FlowId = int


class Network:
    """Links with their capacities, and the flows that cross them now."""

    def __init__(self, timeline: Timeline, quantum_seconds: float) -> None:
        self._timeline = timeline
        self._quantum = quantum_seconds
        self._capacity: list[float] = [np.inf]
        self._routes = np.zeros((FIRST_ROWS, LINKS_PER_FLOW), dtype=np.int64)
        self._left = np.full(FIRST_ROWS, np.inf)
        self._rates = np.zeros(FIRST_ROWS)
        self._done: list[tuple[Callable[..., object], tuple[object, ...]] | None] = [None] * FIRST_ROWS
        self._end_planned_by = [0] * FIRST_ROWS
        """The solution that planned the flow's end; rows are used again, so an event may mean an earlier flow."""
        self._free = list(range(FIRST_ROWS - 1, -1, -1))
        self._solved_at = -np.inf
        self._solve_planned = False
        self.solutions = 0
        """How often rates were worked out."""

    def link(self, bytes_per_second: float | None) -> int:
        """One more link; None: it does not limit, and is no link of its own."""
        if bytes_per_second is None:
            return UNLIMITED
        self._capacity.append(bytes_per_second)
        return len(self._capacity) - 1

    def begin(self, links: Sequence[int], nbytes: float, done: Callable[..., object], *arguments: object) -> FlowId:
        """Move `nbytes` over `links`, of which one is limited at least; call `done(*arguments)` at the last byte."""
        if not self._free:
            self._grow()
        flow = self._free.pop()
        self._routes[flow] = [*links, *[UNLIMITED] * (LINKS_PER_FLOW - len(links))]
        self._left[flow] = nbytes
        self._rates[flow] = 0.0
        self._done[flow] = (done, arguments)
        self._changed()
        return flow

    def cancel(self, flow: FlowId) -> None:
        """Stop a flow that is not done. `done` is not called."""
        self._remove(flow)
        self._changed()

    @property
    def flows(self) -> int:
        """How many there are now."""
        return len(self._done) - len(self._free)

    def _remove(self, flow: FlowId) -> None:
        self._done[flow] = None
        self._end_planned_by[flow] = 0
        self._left[flow] = np.inf
        self._free.append(flow)

    def _changed(self) -> None:
        if not self._solve_planned:
            self._solve_planned = True
            self._timeline.after(max(0.0, self._solved_at + self._quantum - self._timeline.now), self._solve)

    def _solve(self) -> None:
        """Move all flows up to now, work out their rates from here on, and plan the ends before the next time."""
        now = self._timeline.now
        active = np.flatnonzero(np.isfinite(self._left))
        elapsed = now - self._solved_at
        if np.isfinite(elapsed):
            self._left[active] = np.maximum(self._left[active] - self._rates[active] * elapsed, 0.0)
        self._solved_at = now
        self._solve_planned = False
        self.solutions += 1
        if active.size:
            self._rates[active] = max_min_rates(self._routes[active], np.array(self._capacity))
            self._plan_ends(active)

    def _plan_ends(self, active: np.typing.NDArray[np.int64]) -> None:
        seconds = self._left[active] / self._rates[active]
        horizon = max(self._quantum, float(seconds.min())) * (1 + 1e-12)
        soon = np.flatnonzero(seconds <= horizon)
        for flow, later in zip(active[soon].tolist(), seconds[soon].tolist(), strict=True):
            self._end_planned_by[flow] = self.solutions
            self._timeline.after(later, self._end, flow, self.solutions)

    def _end(self, flow: FlowId, solution: int) -> None:
        done = self._done[flow]
        if solution != self.solutions or self._end_planned_by[flow] != solution or done is None:
            return  # rates have changed since, or it was cancelled
        self._remove(flow)
        self._changed()
        call, arguments = done
        call(*arguments)

    def _grow(self) -> None:
        rows = len(self._done)
        self._routes = np.concatenate([self._routes, np.zeros_like(self._routes)])
        self._left = np.concatenate([self._left, np.full(rows, np.inf)])
        self._rates = np.concatenate([self._rates, np.zeros(rows)])
        self._done += [None] * rows
        self._end_planned_by += [0] * rows
        self._free += range(2 * rows - 1, rows - 1, -1)
