"""``mows peers``: who gives what to whom, as this node sees it, and what is wrong with the others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from cli.client import connect
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_table
from cli.units import brief_text, count_text, size_text
from mows.api.peer_models import Peer, PeerProblem, Peers

HEADERS = ("NODE", "ZONE", "STATE", "RECEIVED", "SENT", "IN FLIGHT", "P95", "LANE", "REASON")


@click.command("peers", help="Show the peers of this node.")
@with_invocation
def command(invocation: Invocation) -> None:
    """The API's answer. Exit code 0 also without peers: that is no fault."""
    with connect(invocation.endpoint) as api:
        peers = api.peers()
    if invocation.as_json:
        emit_json(peers)
    elif peers.enabled:
        _emit(peers)
    else:
        emit_line("this daemon runs without peers: its configuration has no peers.listen")


def summary(peers: Peers) -> str:
    """``peers: 2 of 3 up, 1.0 GiB received, 512.0 MiB sent``; also a line of ``mows status``."""
    rows = peers.peers
    received, sent = sum(peer.received_bytes for peer in rows), sum(peer.sent_bytes for peer in rows)
    return f"peers: {up_text(rows)}, {size_text(received)} received, {size_text(sent)} sent"


def up_text(peers: Sequence[Peer]) -> str:
    """``2 of 3 up``. Those that left are no part of either number."""
    states = Counter(peer.state for peer in peers)
    return f"{states['up']} of {len(peers) - states['gone']} up"


def _emit(peers: Peers) -> None:
    emit_line(f"{peers.node} at {peers.address}, peers by {peers.discovery}")
    rows = [_row(peer) for peer in sorted(peers.peers, key=_order) if _matters(peer)]
    if rows:
        emit_table(HEADERS, rows, right=range(3, 7))
    else:
        emit_line("no peers found yet")
    emit_line(_budgets(peers))
    for problem in peers.problems:
        _emit_problem(problem)


def _matters(peer: Peer) -> bool:
    """Not one that left without a trace: a fleet that is replaced node by node has many."""
    return peer.state != "gone" or peer.received_bytes + peer.sent_bytes > 0


def _order(peer: Peer) -> tuple[bool, str]:
    return peer.state == "gone", peer.node


def _row(peer: Peer) -> tuple[str, ...]:
    p95 = peer.chunk_seconds_p95
    return (
        peer.node,
        peer.zone or "-",
        peer.state,
        size_text(peer.received_bytes),
        size_text(peer.sent_bytes),
        str(peer.requests_in_flight),
        "-" if p95 is None else brief_text(p95),
        peer.lane or "-",
        _reason(peer),
    )


def _reason(peer: Peer) -> str:
    if not peer.quarantined_seconds:
        return peer.reason
    return f"{peer.reason}; not asked for {brief_text(peer.quarantined_seconds)}"


def _budgets(peers: Peers) -> str:
    uploads, downloads, in_flight = peers.uploads, peers.downloads, peers.bytes_in_flight
    uplink = peers.uplink_bytes_per_second
    parts = [
        f"uploads {uploads.running} of {uploads.limit}" if uploads else "",
        f"downloads {downloads.running} of {downloads.limit}" if downloads else "",
        f"{size_text(in_flight.used)} of {size_text(in_flight.limit)} promised" if in_flight else "",
        f"uplink limited to {size_text(uplink)}/s" if uplink else "",
        count_text(len(peers.problems), "problem") if peers.problems else "",
    ]
    return ", ".join(part for part in parts if part)


def _emit_problem(problem: PeerProblem) -> None:
    emit_line(f"\n{problem.message} ({problem.code})")
    emit_line(f"hint: {problem.hint}")
