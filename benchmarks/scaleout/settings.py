"""What a run is: how many nodes, how fast, how much. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.lab.network import LabSettings
from benchmarks.scaleout.bounds import Rates

SLOW_RATIO = 0.1
SPARE_BYTES = 64 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """One scenario once. Rates in bits per second; None is no limit."""

    scenario: str
    nodes: int
    link: int
    origin_total: int | None = None
    origin_client: int | None = None
    model_bytes: int
    shard_bytes: int
    chunk_bytes: int
    seed: int = 0
    holders: int = 1
    """`join`: how many have the model before the origin is unplugged."""
    cache: Literal["kept", "empty"] | None = None
    """Whether a daemon that is started again finds what the one before it had. None: as is usual for the scenario."""
    discovery: Literal["static", "redis"] = "static"

    def lab(self) -> LabSettings:
        """The network."""
        return LabSettings(
            nodes=self.nodes,
            link_bits_per_second=self.link,
            origin_total_bits_per_second=self.origin_total,
            origin_client_bits_per_second=self.origin_client,
        )

    def rates(self) -> Rates:
        """What the bounds are computed from."""
        return Rates(links=[self.link] * self.nodes, origin_total=self.origin_total, origin_client=self.origin_client)

    @property
    def variant(self) -> str:
        """``a`` for an origin with a limit in total, ``b`` for one with a limit per client."""
        return "".join(name for name, limit in (("a", self.origin_total), ("b", self.origin_client)) if limit)

    @property
    def shards(self) -> int:
        """Files of the model."""
        return max(1, round(self.model_bytes / self.shard_bytes))

    @property
    def capacity_bytes(self) -> int:
        """Of each node's cache: everything fits."""
        return self.model_bytes * 5 // 4 + SPARE_BYTES

    @property
    def room_bytes(self) -> int:
        """What one run takes: the model at the origin and on each node."""
        return (self.nodes + 1) * (self.model_bytes * 9 // 8 + SPARE_BYTES)
