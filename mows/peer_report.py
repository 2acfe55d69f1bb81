"""What the API and the metrics ask the peers. Apart from `mows.ports`: mounts are served without."""

from __future__ import annotations

from collections.abc import Callable

from peer.statistics import PeerStatistics

PeerReport = Callable[[], PeerStatistics | None]
"""What was exchanged with other nodes so far. None: this daemon runs without peers. Quick, on the loop."""


def no_peers() -> None:
    """The report of a daemon without peers."""
