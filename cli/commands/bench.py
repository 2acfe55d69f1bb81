"""``mows bench``: a file through its mount against the cache's own file, side by side on this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from cli.client import connect
from cli.endpoint import Endpoint
from cli.errors import CliError, Failure
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_note, emit_table
from cli.reading import MAX_BYTES, Rates, largest_file, measure, rate, read_blocks
from cli.units import rate_text, size_text

BLOB_XATTR = "user.mows.blob"

Measured = tuple[Path | None, Rates]


@click.command("bench", help="Measure how fast a mounted file can be read here.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--against", type=click.Path(path_type=Path), help="Compare with this file. Default: the cache's own file."
)
@click.option("--passes", type=click.IntRange(min=1), default=3, show_default=True, help="Medians are shown.")
@with_invocation
def command(invocation: Invocation, path: Path, *, against: Path | None, passes: int) -> None:
    """Of a directory, its largest file is taken."""
    try:
        file = largest_file(path)
        size_bytes = min(file.stat().st_size, MAX_BYTES)
        first = rate(file, size_bytes, read_blocks)
        native = against or cache_file(file, invocation.endpoint)
        rates = measure([file] if native is None else [file, native], size_bytes, passes)
    except (OSError, EOFError) as error:
        raise unreadable(path, error) from error
    shown = list(zip([file, native], rates, strict=False))
    if invocation.as_json:
        emit_json(document(shown, size_bytes, passes, first))
    else:
        _emit(shown, size_bytes, passes, first)


def cache_file(file: Path, endpoint: Endpoint) -> Path | None:
    """The file of the cache that holds the bytes of `file`, None where this command cannot get at it."""
    try:
        blob_id = os.getxattr(file, BLOB_XATTR).decode()
        with connect(endpoint) as api:
            tiers = [blob.tier for blob in api.blobs().blobs if blob.blob_id == blob_id and blob.sealed]
    except (OSError, CliError):
        return None
    data = [Path(tier) / "blobs" / blob_id[:2] / blob_id / "data" for tier in tiers]
    return next((path for path in data if os.access(path, os.R_OK)), None)


def unreadable(path: Path, error: Exception) -> Failure:
    """What went wrong with the file, as this command's error."""
    missing = isinstance(error, FileNotFoundError)
    return Failure(
        f"cannot measure: {path}: {error}",
        code="file_not_found" if missing else "read_failed",
        exit_code=ExitCode.NOT_FOUND if missing else ExitCode.FAILED,
        hint="name a file with bytes in it, or a directory that holds one"
        if missing
        else "`mows status` shows whether the mount has an error",
    )


def document(rates: Sequence[Measured], size_bytes: int, passes: int, first: float) -> dict[str, object]:
    """For ``--json``; rates are bytes per second."""
    return {
        "bytes": size_bytes,
        "passes": passes,
        "first_read": first,
        "files": [{"path": str(path), **asdict(one)} for path, one in rates],
    }


def _emit(rates: Sequence[Measured], size_bytes: int, passes: int, first: float) -> None:
    rows = [(str(path), rate_text(one.read), rate_text(one.mapped)) for path, one in rates]
    if len(rates) > 1:
        (_, mounted), (_, native) = rates
        rows.append(("ratio", f"{mounted.read / native.read:.2f}", f"{mounted.mapped / native.mapped:.2f}"))
    emit_table(("FILE", "READ", "MMAP"), rows, right=range(1, 3))
    emit_line(f"{size_text(size_bytes)}, median of {passes} passes after a first one, which ran at {rate_text(first)}")
    if len(rates) == 1:
        emit_note("no cache file to compare with: not a complete file of this daemon's mounts, or not readable here")
