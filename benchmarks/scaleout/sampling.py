"""Who sent how much while a run went on: the switch's counters, twice a second.

The counters know neither daemons nor rivals, so they say the same of both: what a node receives and the origin has not
sent came from another node. A sample costs 2 ms.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise

from benchmarks.lab.network import Lab, Traffic
from benchmarks.node.sampling import sampled

INTERVAL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Sample:
    """Bytes of frames so far."""

    at_seconds: float
    origin_sent: int
    nodes_sent: Mapping[str, int]
    nodes_received: int

    @property
    def from_peers(self) -> int:
        """What nodes received from one another."""
        return self.nodes_received - self.origin_sent


def sample(at_seconds: float, counters: Mapping[str, Traffic], nodes: Sequence[str]) -> Sample:
    """The counters of one moment. What services send is little, and counts as the peers'."""
    return Sample(
        at_seconds,
        counters["origin"].sent_bytes,
        {node: counters[node].sent_bytes for node in nodes},
        sum(counters[node].received_bytes for node in nodes),
    )


def timeline(samples: Sequence[Sample]) -> list[dict[str, float]]:
    """Bytes per second by source, at the end of each interval; `t` counts from the first sample."""
    return [
        {
            "t": round(later.at_seconds - samples[0].at_seconds, 3),
            "origin_bytes_per_second": (later.origin_sent - earlier.origin_sent) / _seconds(earlier, later),
            # A frame under way is counted where it left, but not yet where it will arrive.
            "peer_bytes_per_second": max(0.0, (later.from_peers - earlier.from_peers) / _seconds(earlier, later)),
        }
        for earlier, later in pairwise(samples)
    ]


def balance(first: Sample, last: Sample) -> float:
    """What the busiest uplink sent, by the mean of all."""
    sent = [last.nodes_sent[node] - first.nodes_sent[node] for node in last.nodes_sent]
    return max(sent) * len(sent) / sum(sent) if sum(sent) else 1.0


def _seconds(earlier: Sample, later: Sample) -> float:
    return max(later.at_seconds - earlier.at_seconds, 1e-6)


def sampling(lab: Lab) -> AbstractContextManager[list[Sample]]:
    """Samples of a lab, from entering to leaving."""
    nodes = [place.name for place in lab.nodes]
    return sampled(lambda: sample(time.monotonic(), lab.counters(), nodes), INTERVAL_SECONDS)
