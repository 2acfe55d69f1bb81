"""What is simulated: how many nodes want how much, over which links, and what happens to them. Values only."""

from __future__ import annotations

import math
from dataclasses import dataclass

NAMES = ("cold", "join", "staggered", "kill", "slow", "zones")
SLOW_RATIO = 0.1
"""The links of a slow node, as a part of the others'."""
KILL_AT_RATIO = 0.5
"""When nodes die, as a part of the bound."""
ETHERNET_EFFICIENCY_RATIO = 0.956
"""Payload of a full TCP segment with timestamps (1448) over its frame without preamble (1514): what tbf counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """How long messages travel, in seconds. The first two are those of the simulations behind DESIGN section 9."""

    peer_round_trip: float = 0.002
    origin_round_trip: float = 0.030
    request: float = 0.0005
    """What a request for a chunk costs besides: threads, system calls, the hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run. Rates are nominal; flows get `efficiency_ratio` of them."""

    name: str
    nodes: int
    """All of them, warm ones included."""
    model_bytes: int
    chunk_bytes: int
    link_bits_per_second: float
    """Of every node, each way."""
    files: int = 1
    """The model is cut into so many of the same size, all wanted at once."""
    origin_total_bits_per_second: float | None = None
    origin_client_bits_per_second: float | None = None
    origin_plugged: bool = True
    warm: int = 0
    """Nodes that hold all of it at the start."""
    interval_seconds: float = 0.0
    """Between the starts of two nodes."""
    zones: int = 1
    border_bits_per_second: float | None = None
    """Into each zone from all others together."""
    directory: bool = True
    """Whether there is one of Redis, for more nodes than are followed; else each knows those it exchanges word with."""
    dying_ratio: float = 0.0
    slow_ratio: float = 0.0
    efficiency_ratio: float = ETHERNET_EFFICIENCY_RATIO
    latencies: Latencies = Latencies()
    seed: int = 1

    @property
    def chunk_count(self) -> int:
        """Chunks of the model; the last may be short, and counts as a whole one."""
        return math.ceil(self.model_bytes / self.chunk_bytes)

    @property
    def bound_seconds(self) -> float:
        """DESIGN section 9: F * max(1/(N e), 1/E, 1/B), at the nominal rates. Without the origin: F/B."""
        seconds = [self.model_bytes * 8 / self.link_bits_per_second]
        if self.origin_plugged and self.origin_total_bits_per_second:
            seconds.append(self.model_bytes * 8 / self.origin_total_bits_per_second)
        if self.origin_plugged and self.origin_client_bits_per_second:
            seconds.append(self.model_bytes * 8 / (self.nodes * self.origin_client_bits_per_second))
        return max(seconds)

    @property
    def chunk_seconds(self) -> float:
        """What one chunk takes on an idle link."""
        return self.chunk_bytes * 8 / (self.link_bits_per_second * self.efficiency_ratio)


@dataclass(frozen=True, slots=True)
class Scale:
    """What is simulated in place of a whole model."""

    model_bytes: int
    chunk_bytes: int
    times: float
    """The whole model takes so many times as long."""


LONGEST_CHUNK_SECONDS = 0.01
"""On its own link; the upper end of what DESIGN section 9, rule 4, calls flat."""


def scaled(model_bytes: int, chunk_bytes: int, max_chunks: int, link_bits_per_second: float) -> Scale:
    """At most `max_chunks` in place of all: a part of the model, in chunks that may be larger than the real ones.

    Time scales, as what counts is how long a chunk takes compared with the latencies and with the whole; from 1,000
    chunks on that is flat. Larger chunks err on the slow side, as they are stored before they are forwarded, but must
    not grow beyond 10 ms of the link: announcements, pauses and deadlines have lengths in seconds that do not grow with
    them. What is then left of the model is cut off. That errs on the slow side too: the beginning and the end of a cold
    start, where links idle, weigh more.
    """
    if chunk_bytes * max_chunks >= model_bytes:
        return Scale(model_bytes, chunk_bytes, 1.0)
    longest_bytes = max(chunk_bytes, int(link_bits_per_second / 8 * LONGEST_CHUNK_SECONDS))
    larger_bytes = min(math.ceil(model_bytes / max_chunks), longest_bytes)
    part_bytes = min(model_bytes, larger_bytes * max_chunks)
    return Scale(part_bytes, larger_bytes, model_bytes / part_bytes)
