"""The simulator against the lab: the same scenarios, and how far apart the two are. Pure, but for the simulation.

In the lab a request waits behind data: the queue of each link holds 25 ms (`benchmarks.lab.shaping`), and a request
passes one on the way out and one on the way in, each half full.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.lab.shaping import QUEUE_SECONDS
from benchmarks.simulate.scenario import Latencies, Scenario
from benchmarks.simulate.swarm import simulate

TOLERATED_RATIO = 0.15
LAB_LATENCIES = Latencies(peer_round_trip=QUEUE_SECONDS, origin_round_trip=QUEUE_SECONDS, request=0.001)
KNOWN = ("cold", "join", "staggered", "prewarm")
"""Scenarios of the lab that the simulator has too; a prewarm in bulk is a cold start in which nobody reads."""
STAGGERED_SECONDS = 1.0
LAB_FILES = 4
"""Shards of every model in docs/SCALEOUT.md."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run of the lab beside its simulation."""

    scenario: str
    nodes: int
    lab_seconds: float
    simulated_seconds: float
    lab_origin_ratio: float
    simulated_origin_ratio: float

    @property
    def difference_ratio(self) -> float:
        """Positive when the simulator is slower."""
        return self.simulated_seconds / self.lab_seconds - 1

    @property
    def close(self) -> bool:
        """Whether the two agree well enough."""
        return abs(self.difference_ratio) <= TOLERATED_RATIO


def results_in(path: Path) -> list[Mapping[str, Any]]:
    """The runs in a file: one, a list of them, or an object with a list of `results`."""
    document = json.loads(path.read_text())
    if isinstance(document, dict):
        document = document.get("results", [document])
    return [result for result in document if result["scenario"] in KNOWN]


def scenario_of(result: Mapping[str, Any]) -> Scenario:
    """The same as the lab ran. Warm nodes are those that did not have to finish."""
    name, nodes = result["scenario"], result["nodes"]
    return Scenario(
        name="cold" if name == "prewarm" else name,
        nodes=nodes,
        model_bytes=result["model_bytes"],
        chunk_bytes=result["chunk_bytes"],
        link_bits_per_second=result["link_bits_per_second"],
        origin_total_bits_per_second=result["origin_total_bits_per_second"],
        origin_client_bits_per_second=result["origin_client_bits_per_second"],
        origin_plugged=name != "join",
        warm=nodes - len(result["finish_seconds"]) if name == "join" else 0,
        interval_seconds=STAGGERED_SECONDS if name == "staggered" else 0.0,
        files=LAB_FILES,
        directory=result.get("discovery") == "redis",
        latencies=LAB_LATENCIES,
    )


def compare(result: Mapping[str, Any]) -> Comparison:
    """Simulate what the lab ran."""
    simulated = simulate(scenario_of(result), result["chunk_bytes"])
    name = f"{result['scenario']} {result.get('variant') or ''}".strip()
    lab_origin_ratio = result["origin_bytes"] / result["model_bytes"]
    lab_seconds = max(result["finish_seconds"].values())
    return Comparison(
        name, result["nodes"], lab_seconds, simulated.last_seconds, lab_origin_ratio, simulated.origin_ratio
    )


def as_markdown(comparisons: Sequence[Comparison]) -> str:
    """The table; what is too far apart is marked."""
    rows = [
        f"| {one.scenario} | {one.nodes} | {one.lab_seconds:.2f} s | {one.simulated_seconds:.2f} s "
        f"| {one.difference_ratio:+.1%}{'' if one.close else ' **beyond 15 %**'} "
        f"| {one.lab_origin_ratio:.3f} | {one.simulated_origin_ratio:.3f} |"
        for one in comparisons
    ]
    head = "| scenario | nodes | lab, last | simulator, last | difference | origin, lab | origin, simulator |"
    return "\n".join([head, "|---|---:|---:|---:|---:|---:|---:|", *rows])
