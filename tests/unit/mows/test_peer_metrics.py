"""Every number of the statistics is a metric, and a node that restarts is one label."""

from __future__ import annotations

import dataclasses

from mows.metric_names import ALL
from mows.peer_metrics import samples
from peer.statistics import PeerStatistics
from tests.unit.mows.peer_values import STATISTICS, status, with_peers


def shown(statistics: PeerStatistics) -> dict[tuple[str, ...], float]:
    """By name and label values; no two samples may have both in common, or the whole scrape is refused."""
    rows = [((metric.name, *labels), value) for metric, value, labels in samples(statistics)]
    assert len(rows) == len(dict(rows))
    return dict(rows)


def test_who_gives_what_to_whom() -> None:
    rows = shown(STATISTICS)
    assert rows["mows_peer_received_bytes_total", "node-b", "z1"] == 1 << 30
    assert rows["mows_peer_sent_bytes_total", "node-c", ""] == 512 << 20
    assert rows["mows_peers", "up"] == rows["mows_peers", "quarantined"] == 1
    assert rows["mows_peers", "unreachable"] == 0
    assert rows["mows_peer_state", "node-c", "quarantined"] == 1
    assert rows["mows_peer_state", "node-c", "up"] == 0
    assert (rows["mows_peer_requests_in_flight", "node-b"], rows["mows_peer_busy_answers_total", "node-b"]) == (4, 3)
    assert (rows["mows_peer_failures_total", "node-b"], rows["mows_peer_corrupt_chunks_total", "node-c"]) == (2, 1)
    assert rows["mows_peer_quarantined_seconds", "node-c"] == 55
    assert rows["mows_peer_chunk_seconds_p95", "node-b"] == 0.012


def test_the_node_as_a_whole() -> None:
    rows = shown(STATISTICS)
    assert (rows["mows_peer_transfers_running", "upload"], rows["mows_peer_transfers_limit", "upload"]) == (3, 12)
    assert (rows["mows_peer_transfers_running", "download"], rows["mows_peer_transfers_limit", "download"]) == (8, 10)
    assert (rows["mows_peer_connections",], rows["mows_peer_connections_limit",]) == (5, 256)
    assert (rows["mows_peer_in_flight_bytes",], rows["mows_peer_in_flight_limit_bytes",]) == (24 << 20, 256 << 20)
    assert rows["mows_peer_uplink_limit_bytes_per_second",] == 1 << 30
    assert (rows["mows_peer_swarms",], rows["mows_peer_busy_given_total",]) == (2, 6)
    assert (rows["mows_peer_hedges_total",], rows["mows_peer_duplicate_bytes_total",]) == (1, 8 << 20)
    assert rows["mows_peer_takeovers_total",] == 9
    assert rows["mows_peer_control_messages_total", "sent"] == 40
    assert rows["mows_peer_control_bytes_total", "received"] == 5000
    assert rows["mows_peer_rejected_requests_total", "unauthenticated"] == 2
    assert rows["mows_peer_problems", "peer_mismatch"] == 1


def test_every_name_of_peers_is_used() -> None:
    documented = {metric.name for metric in ALL if metric.name.startswith("mows_peer")}
    assert {row[0] for row in shown(STATISTICS)} == documented


def test_the_runs_of_one_node_are_one_label() -> None:
    gone = status("node-b", "1" * 16, state="gone", received_bytes=5, chunk_seconds_p95=0.5)
    rows = shown(with_peers(gone, status("node-b", "2" * 16, received_bytes=7, zone="z2")))
    assert rows["mows_peer_received_bytes_total", "node-b", "z2"] == 12
    assert (rows["mows_peer_state", "node-b", "up"], rows["mows_peer_state", "node-b", "gone"]) == (1, 0)
    assert rows["mows_peer_requests_in_flight", "node-b"] == 8
    assert rows["mows_peer_chunk_seconds_p95", "node-b"] == 0.5
    assert (rows["mows_peers", "up"], rows["mows_peers", "gone"]) == (1, 1)


def test_what_does_not_apply_is_absent() -> None:
    rows = shown(
        dataclasses.replace(
            with_peers(status("node-b", chunk_seconds_p95=None)), uplink_bytes_per_second=None, problems=()
        )
    )
    absent = {"mows_peer_uplink_limit_bytes_per_second", "mows_peer_chunk_seconds_p95", "mows_peer_problems"}
    assert absent.isdisjoint(row[0] for row in rows)
