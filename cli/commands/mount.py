"""``mows mount``: a source on a directory, ready when the command returns."""

from __future__ import annotations

import hashlib
import importlib
import os.path
import re
from pathlib import Path

import click

from cli.client import connect
from cli.mounting import Wanted, begin, emit_mount, wait
from cli.options import Invocation, with_invocation

ID_NAME_CHARS = 40
"""Of the path, in an id: enough to recognise it by in a log line."""


@click.command("mount", help="Mount a source on a directory and wait until it can be read.")
@click.argument("source")
@click.argument("target")
@click.option("--id", "mount_id", help="Name of the mount in the API. Default: made from TARGET.")
@click.option("--warm", is_flag=True, help="Wait until all files are in the cache, too.")
@click.option("--foreground", is_flag=True, help="Stay, and unmount on Ctrl-C. Starts a daemon if none is running.")
@click.option("--config", type=click.Path(path_type=Path), help="For that daemon, if it must be started: mows.yaml.")
@with_invocation
def command(
    invocation: Invocation,
    source: str,
    target: str,
    *,
    mount_id: str | None,
    warm: bool,
    foreground: bool,
    config: Path | None,
) -> None:
    """The same command again changes nothing; another SOURCE for the same TARGET is a conflict."""
    path = os.path.abspath(target)  # noqa: PTH100 - as text: symbolic links are for the daemon to judge
    wanted = Wanted(mount_id or default_id(path), source, path, warm)
    if foreground:
        # Imported only here: an embedded daemon is the whole of `mows`, three times the start-up time of the rest.
        importlib.import_module("cli.foreground").run(invocation, wanted, config)
        return
    if config is not None:
        raise click.UsageError("--config is for --foreground: a running daemon has its configuration")
    with connect(invocation.endpoint) as api:
        mount = begin(api, wanted)
    with connect(invocation.endpoint, patient=True) as api:
        mount = wait(api, wanted, mount, quiet=invocation.as_json)
    emit_mount(mount, as_json=invocation.as_json)


def default_id(path: str) -> str:
    """An id for the mount on `path`: readable, and another one for every path.

    Equal for equal paths, so that mounting twice is one mount. The hash tells ``/a/b`` from ``/a-b``.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")[-ID_NAME_CHARS:].strip("-")
    digest = hashlib.blake2s(path.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{readable}-{digest}" if readable else digest
