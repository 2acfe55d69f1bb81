"""What all nodes of a simulation share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.simulate.control import Ledger
from benchmarks.simulate.network import Network
from benchmarks.simulate.scenario import Latencies
from benchmarks.simulate.timeline import Timeline
from peer.settings import PeerLimits, PeerTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The clock, the network, the origin, and the daemon's settings."""

    timeline: Timeline
    network: Network
    ledger: Ledger
    latencies: Latencies
    step_seconds: float
    """What changes within so much time is considered together."""
    origin_link: int | None
    """Of the origin as a whole; None when it is unplugged."""
    limits: PeerLimits
    times: PeerTimes
    finished: Callable[[], None]
    """A node has everything."""

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return self.timeline.now

    @property
    def peer_way(self) -> float:
        """What a message takes to another node."""
        return self.latencies.peer_round_trip / 2

    def later(self, seconds: float, action: Callable[..., object], *arguments: object) -> None:
        """Call `action` with `arguments` so much later than now."""
        self.timeline.after(seconds, action, *arguments)
