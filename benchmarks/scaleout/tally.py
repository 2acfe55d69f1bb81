"""What the daemons themselves say of a run: bytes from peers, bytes that came twice, reads that failed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from benchmarks.lab.fleet import Node


@dataclass(frozen=True, slots=True)
class Tally:
    """Counters of one or more daemons, since their start."""

    peer_bytes: int = 0
    """Of chunks that came from other nodes."""
    duplicate_bytes: int = 0
    """Of chunks that came twice."""
    failed_reads: int = 0
    received: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Who got how much from whom: receiver to sender to bytes."""

    def __add__(self, other: Tally) -> Tally:
        received = {name: dict(row) for name, row in self.received.items()}
        for name, row in other.received.items():
            mine = received.setdefault(name, {})
            for sender, size in row.items():
                mine[sender] = mine.get(sender, 0) + size
        return Tally(
            self.peer_bytes + other.peer_bytes,
            self.duplicate_bytes + other.duplicate_bytes,
            self.failed_reads + other.failed_reads,
            received,
        )


def tally(node: Node) -> Tally:
    """Ask a running daemon; blocks."""
    daemon = node.daemon
    peers = daemon.call("GET", "/peers")
    row: dict[str, int] = {}
    for peer in peers["peers"]:
        row[peer["node"]] = row.get(peer["node"], 0) + peer["received_bytes"]
    fetched, origin = "mows_fetched_bytes_total", "origin"
    return Tally(
        peer_bytes=int(daemon.metric(fetched) - daemon.metric(fetched, source=origin)),
        duplicate_bytes=peers["duplicate_bytes"],
        failed_reads=int(daemon.metric("mows_fetch_failed_reads_total")),
        received={node.name: row},
    )
