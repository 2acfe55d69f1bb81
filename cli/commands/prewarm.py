"""``mows prewarm``: bytes into the cache before anybody reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

import click

from cli.client import connect
from cli.errors import Failure, WaitInterrupted
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_note
from cli.progress import reporter
from cli.units import moment_text, size_text
from cli.waiting import failure, wait_for_prewarm
from mows.api.prewarm_models import Prewarm
from mows.client import Client
from mows.prewarm_state import Order


@click.command("prewarm", help="Bring sources into the cache before anybody reads them.")
@click.argument("sources", metavar="SOURCE...", nargs=-1)
@click.option("--from", "listed", type=click.File(), help="More sources: a file with one a line; - is standard input.")
@click.option("--lease", metavar="DURATION", help="Keep the bytes that long whatever else is read, for example 2h.")
@click.option("--nodes", metavar="NODES", help="`all`, zone=NAME, or names with commas. Default: this node.")
@click.option("--order", type=click.Choice([str(one) for one in Order]), help="Default: as engines read.")
@click.option("--rate", metavar="RATE", help="Ask origins for no more than that, all nodes together, such as 200MB/s.")
@click.option("--verify", is_flag=True, help="Compare what is in the cache already with its hashes first.")
@click.option("--wait", is_flag=True, help="Wait until all bytes are here, and show progress.")
@click.option("--pause", metavar="ID", help="Fetch nothing more for the prewarm ID; its room and lease are kept.")
@click.option("--resume", metavar="ID", help="Go on with the prewarm ID.")
@click.option("--cancel", metavar="ID", help="Stop the prewarm ID, or end its lease, instead of starting one.")
@with_invocation
def command(
    invocation: Invocation,
    sources: Sequence[str],
    *,
    listed: TextIO | None,
    wait: bool,
    pause: str | None,
    resume: str | None,
    cancel: str | None,
    **wishes: str | bool | None,
) -> None:
    """Start it; the daemon goes on by itself unless `wait` says to stay. Or change one that was started."""
    wanted = [*sources, *(_lines(listed) if listed else ())]
    if [bool(wanted), bool(pause), bool(resume), bool(cancel)].count(True) != 1:
        raise click.UsageError("name at least one SOURCE, or one prewarm to --pause, --resume or --cancel")
    with connect(invocation.endpoint) as api:
        if cancel:
            _cancel(api, cancel, invocation)
            return
        prewarm = _begun(api, wanted, wishes) if wanted else _changed(api, pause, resume)
    if wait:
        with connect(invocation.endpoint, patient=True) as api:
            prewarm = _wait(api, prewarm, quiet=invocation.as_json)
    if invocation.as_json:
        emit_json(prewarm)
    else:
        emit_line(summary(prewarm))


def _lines(listed: TextIO) -> Iterator[str]:
    """The sources in a list; blank lines and those that begin with # are none."""
    stripped = (line.strip() for line in listed)
    return (line for line in stripped if line and not line.startswith("#"))


def _begun(api: Client, sources: Sequence[str], wishes: Mapping[str, str | bool | None]) -> Prewarm:
    return api.start_prewarm({"sources": list(sources), **{name: wish for name, wish in wishes.items() if wish}})


def _changed(api: Client, pause: str | None, resume: str | None) -> Prewarm:
    return api.pause_prewarm(pause) if pause else api.resume_prewarm(resume or "")


def summary(prewarm: Prewarm) -> str:
    """One line: what is warm, or how to follow it."""
    total = size_text(prewarm.bytes.total)
    until = f", pinned until {moment_text(prewarm.warm_until)}" if prewarm.warm_until else ""
    where = f" on {len(prewarm.nodes)} nodes" if prewarm.nodes else ""
    if prewarm.state == "warm":
        return f"warm: {prewarm.id}: {prewarm.files} files, {total}{where} ({_fetched(prewarm)}){until}{_eta(prewarm)}"
    return f"{prewarm.state}: {prewarm.id}{where}: `mows status` shows how far it is"


def _eta(prewarm: Prewarm) -> str:
    ratio = prewarm.eta_error_ratio
    return "" if ratio is None else f"; its end was foretold {abs(ratio):.0%} too {'late' if ratio > 0 else 'early'}"


def _fetched(prewarm: Prewarm) -> str:
    from_peers = prewarm.bytes.from_peers
    peers = f", {size_text(from_peers)} from peers" if from_peers else ""
    return f"{size_text(prewarm.bytes.from_origin)} from the origin{peers}"


def _wait(api: Client, prewarm: Prewarm, *, quiet: bool) -> Prewarm:
    try:
        with reporter(_title(prewarm), quiet=quiet) as progress:
            prewarm = wait_for_prewarm(api, prewarm, progress.show)
    except KeyboardInterrupt:
        raise WaitInterrupted(
            f"stopped waiting: the prewarm goes on in the daemon: {prewarm.id}",
            hint=f"`mows status` shows it, `mows prewarm --cancel {prewarm.id}` ends it",
        ) from None
    if prewarm.error is not None:
        for node in prewarm.nodes or ():
            emit_note(f"{node.node}: {node.error.message if node.error else node.state}")
        raise failure(f"prewarm {prewarm.id} {prewarm.state}", prewarm.error)
    if prewarm.state != "warm":
        raise Failure(
            f"prewarm ended before its end: {prewarm.id}: {prewarm.state}",
            code="interrupted",
            exit_code=ExitCode.FAILED,
            hint="somebody cancelled it, or the daemon stopped: start it again",
        )
    return prewarm


def _title(prewarm: Prewarm) -> str:
    first, *rest = prewarm.sources
    return f"{first} and {len(rest)} more" if rest else first


def _cancel(api: Client, prewarm_id: str, invocation: Invocation) -> None:
    api.cancel_prewarm(prewarm_id)
    if invocation.as_json:
        emit_json({"id": prewarm_id, "state": "cancelled"})
    else:
        emit_line(f"cancelled {prewarm_id}")
