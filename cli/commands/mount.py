"""``mows mount``: a source on a directory, ready when the command returns."""

from __future__ import annotations

import hashlib
import importlib
import os.path
import re

import click

from cli.api import Api, connect
from cli.documents import Mount
from cli.errors import WaitInterrupted
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_note
from cli.progress import reporter
from cli.units import size_text
from cli.waiting import FIRST_WAIT_SECONDS, failure, wait_for_mount

ID_NAME_CHARS = 40
"""Of the path, in an id: enough to recognise it by in a log line."""


@click.command("mount", help="Mount a source on a directory and wait until it can be read.")
@click.argument("source")
@click.argument("target")
@click.option("--id", "mount_id", help="Name of the mount in the API. Default: made from TARGET.")
@click.option("--warm", is_flag=True, help="Wait until all files are in the cache, too.")
@click.option("--foreground", is_flag=True, help="Stay, and unmount on Ctrl-C. Starts a daemon if none is running.")
@with_invocation
def command(
    invocation: Invocation, source: str, target: str, *, mount_id: str | None, warm: bool, foreground: bool
) -> None:
    """The same command again changes nothing; another SOURCE for the same TARGET is a conflict."""
    path = os.path.abspath(target)  # noqa: PTH100 - as text: symbolic links are for the daemon to judge
    name = mount_id or default_id(path)
    body = {"source": source, "mount_path": path, "warm": warm}
    if foreground:
        # Imported only here: an embedded daemon is the whole of `mows`, three times the start-up time of the rest.
        importlib.import_module("cli.foreground").run(invocation, name, body)
        return
    with connect(invocation.endpoint) as api:
        mount = mount_and_wait(api, name, body, quiet=invocation.as_json)
    emit_mount(mount, as_json=invocation.as_json)


def default_id(path: str) -> str:
    """An id for the mount on `path`: readable, and another one for every path.

    Equal for equal paths, so that mounting twice is one mount. The hash tells ``/a/b`` from ``/a-b``.
    """
    readable = re.sub(r"[^A-Za-z0-9]+", "-", path).strip("-")[-ID_NAME_CHARS:].strip("-")
    digest = hashlib.blake2s(path.encode(errors="surrogateescape"), digest_size=4).hexdigest()
    return f"{readable}-{digest}" if readable else digest


def mount_and_wait(api: Api, mount_id: str, body: dict[str, object], *, quiet: bool) -> Mount:
    """Put the mount and wait until it is settled. Raises the failure it ended in, WaitInterrupted on Ctrl-C."""
    try:
        mount = api.put_mount(mount_id, body, wait_seconds=FIRST_WAIT_SECONDS)
        with reporter(str(body["source"]), quiet=quiet) as progress:
            mount = wait_for_mount(api, mount, progress.show)
    except KeyboardInterrupt:
        raise WaitInterrupted(
            f"stopped waiting: the mount goes on in the daemon: {mount_id}",
            hint=f"`mows status` shows it, `mows umount {mount_id}` ends it",
        ) from None
    if mount["error"] is not None and (mount["state"] == "failed" or body["warm"]):
        done = "cannot mount" if mount["state"] == "failed" else f"mounted on {mount['mount_path']}, but not warm"
        raise failure(f"{done}: {mount['source']}", mount["error"])
    return mount


def emit_mount(mount: Mount, *, as_json: bool) -> None:
    """Say what is there now."""
    if as_json:
        emit_json(mount)
        return
    total = size_text(mount["bytes"]["total"])
    emit_line(f"{mount['state']}: {mount['source']} on {mount['mount_path']} ({mount['files']} files, {total})")
    if mount["hidden"]:
        emit_note(f"{mount['hidden']} keys cannot be shown as files: `mows ls --hidden {mount['source']}` says why")
