"""The runs of docs/design/0006-swarm-at-scale.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from benchmarks.simulate.scenario import Scenario, scaled

GIGABIT = 1e9
MODEL_BYTES = 700 * 10**9
REAL_CHUNK_BYTES = 8 << 20
CHUNKS = 300
"""Simulated at most. 1,000 are closer to the whole model, and take three times as long."""
SCALE = scaled(MODEL_BYTES, REAL_CHUNK_BYTES, CHUNKS, 100 * GIGABIT)
COLD = Scenario(
    name="cold",
    nodes=100,
    model_bytes=SCALE.model_bytes,
    chunk_bytes=SCALE.chunk_bytes,
    link_bits_per_second=100 * GIGABIT,
    origin_total_bits_per_second=100 * GIGABIT,
    origin_client_bits_per_second=10 * GIGABIT,
)
"""700 GB over 100 Gbit/s: the origin gives as much as one account of a large region gets, and a tenth to one client."""


def runs(nodes: int) -> Mapping[str, Scenario]:
    """By name, for so many nodes. With Redis, but for one."""
    cold = replace(COLD, nodes=nodes, directory=True)
    return MappingProxyType(
        {
            f"cold, {nodes:,}": cold,
            f"4 zones, {nodes:,}": replace(cold, name="zones", zones=4, border_bits_per_second=200 * GIGABIT),
            f"1 % die, {nodes:,}": replace(cold, name="kill", dying_ratio=0.01),
            f"1 % slow, {nodes:,}": replace(cold, name="slow", slow_ratio=0.01),
            f"cold with a static list, {nodes:,}": replace(cold, directory=False),
        }
    )
