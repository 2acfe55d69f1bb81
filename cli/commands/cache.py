"""``mows cache``: what this node keeps, and what to keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from cli.client import connect
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_table
from cli.units import size_text
from mows.api.models import Blob, BlobResult, Cache
from mows.client import BlobAction


@click.group("cache", help="Show the cache; pin, unpin, evict or verify its blobs.", invoke_without_command=True)
@with_invocation
def command(invocation: Invocation) -> None:
    """Without a subcommand: the tiers."""
    context = click.get_current_context()
    if context.invoked_subcommand is not None:
        # What stood between `cache` and the subcommand counts as if it stood before `cache`.
        context.obj = invocation.given
        return
    with connect(invocation.endpoint) as api:
        cache = api.cache()
    if invocation.as_json:
        emit_json(cache)
    else:
        _emit_cache(cache)


@command.command("ls", help="List the blobs.")
@with_invocation
def list_blobs(invocation: Invocation) -> None:
    """One blob a line."""
    with connect(invocation.endpoint) as api:
        blobs = api.blobs()
    if invocation.as_json:
        emit_json(blobs)
        return
    headers = ("BLOB", "SIZE", "CACHED", "%", "STATE", "TIER", "OBJECT")
    emit_table(headers, [_blob_row(blob) for blob in blobs.blobs], right=range(1, 4))


def _change(name: BlobAction, text: str) -> None:
    """Add the subcommand `name`, which does the same to every blob it is given."""

    @command.command(name, help=f"{text} WHAT is blob ids, or one source whose cached objects are meant.")
    @click.argument("what", nargs=-1)
    @click.option("--all", "everything", is_flag=True, help="All blobs of the cache.")
    @with_invocation
    def change(invocation: Invocation, what: Sequence[str], *, everything: bool) -> None:
        with connect(invocation.endpoint) as api:
            results = api.change_blobs(name, selection(what, everything=everything))
        if invocation.as_json:
            emit_json(results)
        else:
            for result in results.blobs:
                emit_line(_result_line(result))
        click.get_current_context().exit(exit_code(results.blobs))


_change("pin", "Keep blobs whatever else needs the space.")
_change("unpin", "Let blobs go again when the space is needed.")
_change("evict", "Throw blobs away now, unless they are in use or pinned.")
_change("verify", "Read blobs and compare every chunk with its hash; what is corrupt is dropped and fetched again.")


def selection(what: Sequence[str], *, everything: bool) -> dict[str, Any]:
    """The body of the request. Raises UsageError unless it says exactly one thing."""
    sources = [one for one in what if "://" in one]
    if everything == bool(what) or len(sources) > 1 or (sources and len(what) > 1):
        raise click.UsageError("name either blob ids, or one source, or --all")
    if everything:
        return {"all": True}
    return {"source": sources[0]} if sources else {"blob_ids": list(what)}


def exit_code(results: Sequence[BlobResult]) -> ExitCode:
    """7 when a blob was corrupt, 5 when one was busy, else 0."""
    outcomes = {result.result for result in results}
    if "corrupt" in outcomes:
        return ExitCode.CHECK_FAILED
    return ExitCode.CONFLICT if "busy" in outcomes else ExitCode.OK


def _result_line(result: BlobResult) -> str:
    bad = f", {len(result.bad_chunks)} bad chunks dropped" if result.bad_chunks else ""
    return f"{result.blob_id}  {result.result}{bad}  {result.uri}"


def _emit_cache(cache: Cache) -> None:
    headers = ("TIER", "CAPACITY", "USED", "FREE ON DISK", "BLOBS", "FAULTS")
    rows = [
        (
            tier.path,
            *(size_text(size) for size in (tier.capacity_bytes, tier.used_bytes, tier.free_bytes)),
            str(tier.blobs),
            str(tier.faults),
        )
        for tier in cache.tiers
    ]
    emit_table(headers, rows, right=range(1, 6))
    emit_line(f"{cache.evictions} evictions, {cache.corrupt_chunks} corrupt chunks")


def _blob_row(blob: Blob) -> tuple[str, ...]:
    size, resident = blob.size_bytes, blob.resident_bytes
    percent = 100 * resident // size if size else 100
    words = [word for word in ("sealed", "in_use", "pinned") if getattr(blob, word)]
    state = ",".join(words).replace("_", "-") or "-"
    return (blob.blob_id, size_text(size), size_text(resident), str(percent), state, blob.tier, blob.uri)
