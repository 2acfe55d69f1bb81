"""``mows ls``: what a source holds, as a mount of it would show."""

from __future__ import annotations

import click

from cli.client import connect
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_note
from cli.units import hidden_note, moment_text, size_text
from mows.api.models import ListedObject, Listing


@click.command("ls", help="List what a source holds.")
@click.argument("source")
@click.option("--hidden", is_flag=True, help="List the keys that cannot be shown as files instead, with the reason.")
@click.option("-l", "--long", is_flag=True, help="Size, part that is cached here, time of change, path.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="At most so many.")
@with_invocation
def command(invocation: Invocation, source: str, *, hidden: bool, long: bool, limit: int) -> None:
    """One path a line, relative to the source."""
    with connect(invocation.endpoint) as api:
        listing = api.listing(source, hidden=hidden, limit=limit)
    if invocation.as_json:
        emit_json(listing)
    elif hidden:
        _emit_hidden(listing)
    else:
        _emit_objects(listing, long=long)


def _emit_hidden(listing: Listing) -> None:
    for one in listing.hidden:
        emit_line(f"{one.key}\t{one.reason}")


def _emit_objects(listing: Listing, *, long: bool) -> None:
    for one in listing.objects:
        emit_line(long_line(one) if long else one.path)
    if listing.truncated:
        shown, files = len(listing.objects), listing.files
        emit_note(f"showing {shown} of {files} files: --limit N shows more")
    if listing.hidden_count:
        emit_note(hidden_note(listing.hidden_count, listing.source))


def long_line(one: ListedObject) -> str:
    """``4.0 GiB  75 %  2026-11-23T10:00:00Z  model-00001.safetensors``; an empty file is always cached."""
    percent = 100 * one.local_bytes // one.size_bytes if one.size_bytes else 100
    return f"{size_text(one.size_bytes):>10}  {percent:>3} %  {moment_text(one.modified)}  {one.path}"
