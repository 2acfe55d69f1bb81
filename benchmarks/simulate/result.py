"""What a run showed, as a value, and its figures."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.simulate.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run. Seconds of simulated time, each node's from its own start."""

    scenario: Scenario
    finish_seconds: Mapping[str, float]
    """Of the nodes that began without the model and lived."""
    slow_nodes: frozenset[str]
    """Those among them whose own links are slow: they cannot finish at the others' time."""
    unfinished: int
    """Nodes that lived and still missed chunks when nothing moved any more: 0, or something is broken."""
    origin_bytes: int
    duplicate_bytes: int
    """Bytes a node received of chunks that it had already."""
    border_bytes: int
    uploaded_bytes: tuple[int, ...]
    """By node that could upload."""
    busy_answers: int
    message_counts: Mapping[str, int]
    """Control messages sent, all nodes together, by kind."""
    message_bytes: Mapping[str, int]
    simulated_seconds: float
    transfers: int
    cpu_seconds: float
    """What the simulation itself took of one core."""

    @property
    def healthy_seconds(self) -> list[float]:
        """Finish times of the nodes with links of the full rate, ascending."""
        return sorted(seconds for node, seconds in self.finish_seconds.items() if node not in self.slow_nodes)

    @property
    def first_seconds(self) -> float:
        """When the first healthy node had everything."""
        return self.healthy_seconds[0]

    @property
    def median_seconds(self) -> float:
        """When half of the healthy nodes had everything."""
        return statistics.median(self.healthy_seconds)

    @property
    def last_seconds(self) -> float:
        """When the last healthy node had everything."""
        return self.healthy_seconds[-1]

    @property
    def ratio(self) -> float:
        """The last healthy node's time over the bound."""
        return self.last_seconds / self.scenario.bound_seconds

    @property
    def origin_ratio(self) -> float:
        """Bytes from the origin over the model's."""
        return self.origin_bytes / self.scenario.model_bytes

    @property
    def border_copies(self) -> float:
        """Copies of the model that crossed into each zone, on average."""
        return self.border_bytes / self.scenario.model_bytes / self.scenario.zones

    @property
    def duplicate_ratio(self) -> float:
        """Bytes that came twice over all bytes wanted."""
        return self.duplicate_bytes / (self.scenario.model_bytes * max(1, len(self.finish_seconds)))

    @property
    def uplink_balance(self) -> float:
        """The busiest uplink over the mean of them: 1 is even."""
        mean = statistics.fmean(self.uploaded_bytes) if self.uploaded_bytes else 0.0
        return max(self.uploaded_bytes) / mean if mean else 1.0

    @property
    def messages_per_node(self) -> float:
        """Control messages a node sent."""
        return sum(self.message_counts.values()) / self.scenario.nodes

    @property
    def control_bytes_per_node(self) -> float:
        """Bytes of control messages a node sent."""
        return sum(self.message_bytes.values()) / self.scenario.nodes
