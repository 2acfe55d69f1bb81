"""``mows explain``: where the seconds of a load went."""

from __future__ import annotations

import click

from cli.client import connect
from cli.commands.umount import find
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_table
from cli.units import brief_text, count_text, size_text
from mows.api.event_models import Explanation


@click.command("explain", help="Say where the seconds of a load went, and what bound it.")
@click.argument("target")
@with_invocation
def command(invocation: Invocation, target: str) -> None:
    """TARGET is a directory or the id of a mount; told is the load that runs, or the last one."""
    with connect(invocation.endpoint) as api:
        found = api.explanation(find(api.mounts().mounts, target).id)
    if invocation.as_json:
        emit_json(found)
    else:
        _emit(found)


def _emit(found: Explanation) -> None:
    if found.bound_by is not None:
        rows = sorted(found.seconds.items(), key=lambda row: -row[1])
        cells = [(cause, brief_text(spent), f"{spent / found.elapsed_seconds:.0%}") for cause, spent in rows]
        emit_table(("CAUSE", "TIME", "SHARE"), [*cells, ("all", brief_text(found.elapsed_seconds), "")], right=(1, 2))
    emit_line(found.sentence)
    fetched = f"{size_text(found.bytes.origin)} came from the origin, {size_text(found.bytes.peers)} from peers"
    emit_line(f"since it was mounted, {fetched}, {size_text(found.bytes.delivered)} were handed to readers")
    if found.passthrough_opens:
        emit_line(f"{count_text(found.passthrough_opens, 'open')} not counted: the kernel serves these by itself")
