"""From what peers did to what goes over the wire about it. Pure."""

from __future__ import annotations

from mows.api import peer_models as models
from mows.api.services import NodeIdentity
from peer.statistics import PeerStatistics, PeerStatus
from peer.values import PeerProblem


def peers(identity: NodeIdentity, statistics: PeerStatistics | None) -> models.Peers:
    """See `models.Peers`; None: this daemon runs without peers."""
    if statistics is None:
        return models.Peers(configured=identity.peers_configured, node=identity.node, zone=identity.zone)
    ours = statistics.identity
    return models.Peers(
        enabled=True,
        configured=True,
        node=ours.node_id,
        boot_id=ours.boot_id,
        address=ours.address,
        lane_port=ours.lane_port or None,
        zone=ours.zone or None,
        discovery=statistics.discovery,
        peers=[_peer(status) for status in statistics.peers],
        problems=[_problem(problem) for problem in statistics.problems],
        uploads=models.Slots(running=statistics.uploads_running, limit=statistics.uploads_limit),
        downloads=models.Slots(running=statistics.downloads_running, limit=statistics.downloads_limit),
        connections=models.Usage(used=statistics.connections, limit=statistics.connections_limit),
        bytes_in_flight=models.Usage(used=statistics.bytes_in_flight, limit=statistics.bytes_in_flight_limit),
        uplink_bytes_per_second=statistics.uplink_bytes_per_second,
        swarms=statistics.swarms,
        busy_given=statistics.busy_given,
        hedges=statistics.hedges,
        duplicate_bytes=statistics.duplicate_bytes,
        takeovers=statistics.takeovers,
        control_messages=dict(statistics.control_messages),
        control_bytes=dict(statistics.control_bytes),
        rejected=dict(statistics.rejected),
    )


def _peer(status: PeerStatus) -> models.Peer:
    theirs = status.identity
    return models.Peer(
        node=theirs.node_id,
        boot_id=theirs.boot_id,
        address=theirs.address,
        lane_port=theirs.lane_port or None,
        zone=theirs.zone or None,
        version=theirs.version,
        state=status.state,
        reason=status.reason,
        lane=status.lane or None,
        received_bytes=status.received_bytes,
        sent_bytes=status.sent_bytes,
        requests_in_flight=status.requests_in_flight,
        chunk_seconds_p95=status.chunk_seconds_p95,
        busy_answers=status.busy_answers,
        failures=status.failures,
        corrupt_chunks=status.corrupt_chunks,
        quarantined_seconds=status.quarantined_seconds,
    )


def _problem(problem: PeerProblem) -> models.PeerProblem:
    return models.PeerProblem(address=problem.address, code=problem.code, message=problem.message, hint=problem.hint)
