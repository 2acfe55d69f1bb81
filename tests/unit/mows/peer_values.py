"""What a node among peers might have to say, for tests of what shows it."""

from __future__ import annotations

import dataclasses
from typing import Any

from peer.statistics import PeerStatistics, PeerStatus
from peer.values import Identity, PeerProblem

PROBLEM = PeerProblem(
    address="10.0.0.9:9302",
    code="peer_mismatch",
    message="10.0.0.9:9302: speaks protocol 2, this node 1",
    hint="finish the upgrade",
)


def identity(node: str, boot: str = "0123456789abcdef", *, zone: str = "z1") -> Identity:
    """A node in 10.0.0.0/24."""
    return Identity(
        node_id=node,
        boot_id=boot,
        address=f"10.0.0.{ord(node[-1]) - 96}:9302",
        lane_port=9303,
        zone=zone,
        chunk_bytes=8 << 20,
        version="1.2.3",
    )


def status(node: str, boot: str = "0123456789abcdef", *, zone: str = "z1", **changes: Any) -> PeerStatus:
    """A peer that is up, from which some chunks came."""
    fields: dict[str, Any] = {
        "identity": identity(node, boot, zone=zone),
        "state": "up",
        "lane": "bulk",
        "received_bytes": 1 << 30,
        "sent_bytes": 512 << 20,
        "requests_in_flight": 4,
        "chunk_seconds_p95": 0.012,
        "busy_answers": 3,
        "failures": 2,
    }
    return PeerStatus(**fields | changes)


QUARANTINED = status(
    "node-c",
    zone="",
    state="quarantined",
    reason="chunk 7 did not have its hash",
    lane="grpc",
    chunk_seconds_p95=None,
    corrupt_chunks=1,
    quarantined_seconds=55.0,
)

STATISTICS = PeerStatistics(
    identity=identity("node-a"),
    peers=(status("node-b"), QUARANTINED),
    problems=(PROBLEM,),
    discovery="dns",
    uploads_running=3,
    uploads_limit=12,
    downloads_running=8,
    downloads_limit=10,
    connections=5,
    connections_limit=256,
    bytes_in_flight=24 << 20,
    bytes_in_flight_limit=256 << 20,
    uplink_bytes_per_second=1 << 30,
    swarms=2,
    busy_given=6,
    hedges=1,
    duplicate_bytes=8 << 20,
    takeovers=9,
    control_messages={"sent": 40, "received": 50},
    control_bytes={"sent": 4000, "received": 5000},
    rejected={"unauthenticated": 2},
)


def with_peers(*peers: PeerStatus) -> PeerStatistics:
    """The same node among others."""
    return dataclasses.replace(STATISTICS, peers=peers)
