"""What `/metrics` shows of peers. Pure.

A label names a node, not one run of its daemon: the number of nodes is bounded, that of restarts is not. Where a node
is known in several runs (one that came back, or two nodes with one id), counts are summed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from mows import metric_names as names
from mows.metric_names import Metric, Sample
from peer.statistics import PeerStatistics, PeerStatus

STATES = ("up", "quarantined", "unreachable", "gone")
"""Those of `PeerStatus`. The first that holds for a run of a node is the node's."""


def samples(statistics: PeerStatistics) -> Iterator[Sample]:
    """Everything there is to say of one moment."""
    states = Counter(peer.state for peer in statistics.peers)
    yield from ((names.PEERS, states[state], (state,)) for state in STATES)
    for node, runs in _by_node(statistics.peers).items():
        yield from _node(node, runs)
    for code, count in Counter(problem.code for problem in statistics.problems).items():
        yield names.PEER_PROBLEMS, count, (code,)
    yield from _budgets(statistics)
    yield names.PEER_SWARMS, statistics.swarms, ()
    yield names.PEER_BUSY_GIVEN, statistics.busy_given, ()
    yield names.PEER_HEDGES, statistics.hedges, ()
    yield names.PEER_DUPLICATE_BYTES, statistics.duplicate_bytes, ()
    yield names.PEER_TAKEOVERS, statistics.takeovers, ()
    yield from _each(names.PEER_CONTROL_MESSAGES, statistics.control_messages)
    yield from _each(names.PEER_CONTROL_BYTES, statistics.control_bytes)
    yield from _each(names.PEER_REJECTED, statistics.rejected)


def _by_node(peers: Iterable[PeerStatus]) -> Mapping[str, list[PeerStatus]]:
    nodes: dict[str, list[PeerStatus]] = defaultdict(list)
    for peer in peers:
        nodes[peer.identity.node_id].append(peer)
    return nodes


def _node(node: str, runs: list[PeerStatus]) -> Iterator[Sample]:
    zone = runs[-1].identity.zone
    found = {run.state for run in runs}
    now = next((state for state in STATES if state in found), None)
    yield from ((names.PEER_STATE, state == now, (node, state)) for state in STATES)
    yield names.PEER_RECEIVED, sum(run.received_bytes for run in runs), (node, zone)
    yield names.PEER_SENT, sum(run.sent_bytes for run in runs), (node, zone)
    yield names.PEER_REQUESTS, sum(run.requests_in_flight for run in runs), (node,)
    yield names.PEER_BUSY, sum(run.busy_answers for run in runs), (node,)
    yield names.PEER_FAILURES, sum(run.failures for run in runs), (node,)
    yield names.PEER_CORRUPT, sum(run.corrupt_chunks for run in runs), (node,)
    yield names.PEER_QUARANTINED, max(run.quarantined_seconds for run in runs), (node,)
    measured = [run.chunk_seconds_p95 for run in runs if run.chunk_seconds_p95 is not None]
    if measured:
        yield names.PEER_CHUNK_SECONDS, max(measured), (node,)


def _budgets(statistics: PeerStatistics) -> Iterator[Sample]:
    yield names.PEER_TRANSFERS, statistics.uploads_running, ("upload",)
    yield names.PEER_TRANSFERS, statistics.downloads_running, ("download",)
    yield names.PEER_TRANSFERS_LIMIT, statistics.uploads_limit, ("upload",)
    yield names.PEER_TRANSFERS_LIMIT, statistics.downloads_limit, ("download",)
    yield names.PEER_CONNECTIONS, statistics.connections, ()
    yield names.PEER_CONNECTIONS_LIMIT, statistics.connections_limit, ()
    yield names.PEER_IN_FLIGHT, statistics.bytes_in_flight, ()
    yield names.PEER_IN_FLIGHT_LIMIT, statistics.bytes_in_flight_limit, ()
    if statistics.uplink_bytes_per_second is not None:
        yield names.PEER_UPLINK_LIMIT, statistics.uplink_bytes_per_second, ()


def _each(metric: Metric, counts: Mapping[str, int]) -> Iterator[Sample]:
    return ((metric, count, (label,)) for label, count in counts.items())
