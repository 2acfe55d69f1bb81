"""``mows peers``: the other nodes this one exchanges chunks with."""

from __future__ import annotations

import click

from cli.api import connect
from cli.documents import Peers
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line


@click.command("peers", help="Show the peers of this node.")
@with_invocation
def command(invocation: Invocation) -> None:
    """The API's answer."""
    with connect(invocation.endpoint) as api:
        peers = api.peers()
    if invocation.as_json:
        emit_json(peers)
        return
    for line in lines(peers):
        emit_line(line)


def lines(peers: Peers) -> list[str]:
    """One peer a line, or why there is none."""
    if peers["peers"]:
        return peers["peers"]
    if peers["enabled"]:
        return ["no peers found yet"]
    configured = "; the `peers` section of its configuration is for a later one" if peers["configured"] else ""
    return [f"this daemon runs without peers{configured}"]
