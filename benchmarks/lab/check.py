"""Whether links carry what they say: what TCP reaches at several rates, by the ways a scenario loads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab.network import Lab, LabSettings
from benchmarks.lab.place import Place
from benchmarks.node.processes import Child, python

PORT = 5001
LEAST_RATIO = 0.93
"""Of the nominal rate, in payload; frames' headers take 0.044."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One way of loading links, at one rate."""

    way: str
    bits_per_second: int
    ratio: float
    """Payload that arrived, by the nominal rate."""

    @property
    def enough(self) -> bool:
        """Whether a scenario may be run on such a link."""
        return self.ratio >= LEAST_RATIO


def measure(bits_per_second: int, seconds: float, logs: Path) -> Iterator[Measured]:
    """Load the links of some labs, one after the other."""
    with Lab(LabSettings(nodes=8, link_bits_per_second=bits_per_second)) as lab:
        first, *others = lab.nodes
        for way, senders, flows in (("one flow", 1, 1), ("four flows", 1, 4), ("from seven nodes", 7, 2)):
            yield Measured(
                way, bits_per_second, _ratio(others[:senders], [first], flows, bits_per_second, seconds, logs)
            )
    fast = 4 * bits_per_second
    client = LabSettings(nodes=2, link_bits_per_second=fast, origin_client_bits_per_second=bits_per_second)
    with Lab(client) as lab:
        ratio = _ratio([lab.origin], lab.nodes, 2, 2 * bits_per_second, seconds, logs)
        yield Measured("origin per client", bits_per_second, ratio)
    total = LabSettings(nodes=4, link_bits_per_second=fast, origin_total_bits_per_second=bits_per_second)
    with Lab(total) as lab:
        ratio = _ratio([lab.origin], lab.nodes, 2, bits_per_second, seconds, logs)
        yield Measured("origin in total", bits_per_second, ratio)


def _ratio(
    senders: Sequence[Place], receivers: Sequence[Place], flows: int, nominal: int, seconds: float, logs: Path
) -> float:
    """All `senders` to all `receivers`, by the nominal rate of it all."""
    with ExitStack() as stack:
        ends = [stack.enter_context(_receiver(place, seconds, logs)) for place in receivers]
        for end in ends:
            end.hear()
        for sender in senders:
            for receiver in receivers:
                stack.enter_context(_sender(sender, receiver, flows, logs))
        return sum(float(end.hear()) for end in ends) * 8 / nominal


def _receiver(place: Place, seconds: float, logs: Path) -> Child:
    words = python("benchmarks.lab.stream", "receive", f"{place.address}:{PORT}", str(seconds))
    return Child(f"receive-{place.name}", place.command(words), logs, piped=True)


def _sender(place: Place, to: Place, flows: int, logs: Path) -> Child:
    words = python("benchmarks.lab.stream", "send", f"{to.address}:{PORT}", str(flows))
    return Child(f"send-{place.name}-{to.name}", place.command(words), logs)
