"""``mows prewarm``: bytes into the cache before anybody reads them."""

from __future__ import annotations

from collections.abc import Sequence

import click

from cli.client import connect
from cli.errors import Failure, WaitInterrupted
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line
from cli.progress import reporter
from cli.units import moment_text, size_text
from cli.waiting import failure, wait_for_prewarm
from mows.api.prewarm_models import Prewarm
from mows.client import Client


@click.command("prewarm", help="Bring sources into the cache before anybody reads them.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option("--lease", metavar="DURATION", help="Keep the bytes that long whatever else is read, for example 2h.")
@click.option("--wait", is_flag=True, help="Wait until all bytes are here, and show progress.")
@click.option("--nodes", metavar="NODES", help="Which nodes: `all`, or names with commas. Default: this node.")
@click.option("--cancel", metavar="ID", help="Stop the prewarm ID, or end its lease, instead of starting one.")
@with_invocation
def command(
    invocation: Invocation,
    sources: Sequence[str],
    *,
    lease: str | None,
    wait: bool,
    nodes: str | None,
    cancel: str | None,
) -> None:
    """Start it; the daemon goes on by itself unless `wait` says to stay."""
    if bool(sources) == bool(cancel):
        raise click.UsageError("name at least one SOURCE, or a prewarm to --cancel")
    with connect(invocation.endpoint) as api:
        if cancel:
            _cancel(api, cancel, invocation)
            return
        if nodes is not None:
            refuse_other_nodes(nodes, api.health().node)
        prewarm = api.start_prewarm({"sources": list(sources)} | ({"lease": lease} if lease else {}))
        if wait:
            prewarm = _wait(api, prewarm, quiet=invocation.as_json)
    if invocation.as_json:
        emit_json(prewarm)
    else:
        emit_line(summary(prewarm))


def refuse_other_nodes(nodes: str, this: str) -> None:
    """A daemon can prewarm itself only. Raises Failure for any other wish."""
    if {name.strip() for name in nodes.split(",")} != {this}:
        raise Failure(
            f"--nodes: {nodes}: a daemon can prewarm only itself in this version, {this}",
            code="peers_unavailable",
            exit_code=ExitCode.USAGE,
            hint="run `mows prewarm` on each node, or name each daemon with --url",
        )


def summary(prewarm: Prewarm) -> str:
    """One line: what is warm, or how to follow it."""
    total = size_text(prewarm.bytes.total)
    until = f", pinned until {moment_text(prewarm.warm_until)}" if prewarm.warm_until else ""
    if prewarm.state == "warm":
        return f"warm: {prewarm.id}: {prewarm.files} files, {total} ({_fetched(prewarm)}){until}"
    return f"{prewarm.state}: {prewarm.id}: `mows status` shows how far it is"


def _fetched(prewarm: Prewarm) -> str:
    from_peers = prewarm.bytes.from_peers
    peers = f", {size_text(from_peers)} from peers" if from_peers else ""
    return f"{size_text(prewarm.bytes.from_origin)} from the origin{peers}"


def _wait(api: Client, prewarm: Prewarm, *, quiet: bool) -> Prewarm:
    try:
        with reporter(" ".join(prewarm.sources), quiet=quiet) as progress:
            prewarm = wait_for_prewarm(api, prewarm, progress.show)
    except KeyboardInterrupt:
        raise WaitInterrupted(
            f"stopped waiting: the prewarm goes on in the daemon: {prewarm.id}",
            hint=f"`mows status` shows it, `mows prewarm --cancel {prewarm.id}` ends it",
        ) from None
    if prewarm.error is not None:
        raise failure(f"prewarm {prewarm.id} {prewarm.state}", prewarm.error)
    if prewarm.state != "warm":
        raise Failure(
            f"prewarm ended before its end: {prewarm.id}: {prewarm.state}",
            code="interrupted",
            exit_code=ExitCode.FAILED,
            hint="somebody cancelled it, or the daemon stopped: start it again",
        )
    return prewarm


def _cancel(api: Client, prewarm_id: str, invocation: Invocation) -> None:
    api.cancel_prewarm(prewarm_id)
    if invocation.as_json:
        emit_json({"id": prewarm_id, "state": "cancelled"})
    else:
        emit_line(f"cancelled {prewarm_id}")
