"""``mows status``: the mounts, prewarms and peers of this node."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.client import connect
from cli.commands.peers import summary
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_table
from cli.units import duration_text, moment_text, size_text
from mows.api.models import Mount
from mows.api.prewarm_models import Prewarm


@click.command("status", help="Show the mounts, prewarms and peers of this node.")
@with_invocation
def command(invocation: Invocation) -> None:
    """Two tables and a line about peers, or one document with everything."""
    with connect(invocation.endpoint) as api:
        mounts, prewarms, peers = api.mounts(), api.prewarms(), api.peers()
    if invocation.as_json:
        emit_json({**dict(mounts), **dict(prewarms), "peers": peers})
        return
    _emit_mounts(mounts.mounts)
    _emit_prewarms(prewarms.prewarms)
    if peers.enabled:
        emit_line(f"\n{summary(peers)}")
    _emit_errors([*mounts.mounts, *prewarms.prewarms])


def _emit_mounts(mounts: Sequence[Mount]) -> None:
    if not mounts:
        emit_line("no mounts")
        return
    headers = ("MOUNT", "STATE", *_PROGRESS_HEADERS, "PASSTHROUGH", "PATH", "SOURCE")
    rows = [
        (
            mount.id,
            mount.state,
            *_progress(mount),
            _yes(mount.passthrough),
            mount.mount_path,
            mount.source,
        )
        for mount in mounts
    ]
    emit_table(headers, rows, right=range(2, 8))


def _emit_prewarms(prewarms: Sequence[Prewarm]) -> None:
    if not prewarms:
        return
    headers = ("PREWARM", "STATE", *_PROGRESS_HEADERS, "PINNED UNTIL", "SOURCES")
    rows = [
        (
            job.id,
            job.state,
            *_progress(job),
            moment_text(job.warm_until) if job.warm_until else "-",
            " ".join(job.sources),
        )
        for job in prewarms
    ]
    emit_line("")
    emit_table(headers, rows, right=range(2, 8))


def _emit_errors(work: Sequence[Mount | Prewarm]) -> None:
    for one in work:
        if one.error is not None:
            emit_line(f"\n{one.id}: {one.error.message} ({one.error.code})")
            emit_line(f"hint: {one.error.hint}")


_PROGRESS_HEADERS = ("LOCAL", "TOTAL", "%", "ORIGIN", "PEERS", "LEFT")


def _progress(work: Mount | Prewarm) -> tuple[str, ...]:
    counts, percent, eta = work.bytes, work.percent, work.eta_seconds
    return (
        size_text(counts.local),
        size_text(counts.total),
        # Rounded down: 100 must mean all of it.
        "-" if percent is None else str(int(percent)),
        size_text(counts.from_origin),
        size_text(counts.from_peers),
        duration_text(eta) if eta else "-",
    )


def _yes(value: bool | None) -> str:  # noqa: FBT001 - a value to print, not a switch
    return "-" if value is None else "yes" if value else "no"
