"""``mows umount``: by directory or by id."""

from __future__ import annotations

import os.path
from collections.abc import Sequence

import click

from cli.client import connect
from cli.errors import Failure
from cli.exit_codes import ExitCode
from cli.options import Invocation, with_invocation
from cli.output import emit_json, emit_line, emit_note
from mows.api.models import Mount


@click.command("umount", help="Unmount a directory or the mount of an id.")
@click.argument("target")
@with_invocation
def command(invocation: Invocation, target: str) -> None:
    """Files that are still open keep their bytes; the directory is free at once."""
    with connect(invocation.endpoint) as api:
        mount = find(api.mounts().mounts, target)
        gone = api.delete_mount(mount.id)
    if invocation.as_json:
        emit_json({"id": mount.id, "mount_path": mount.mount_path, "gone": gone})
    else:
        emit_line(f"unmounted {mount.mount_path} ({mount.id})")
        if not gone:
            emit_note("files that are still open are served until they are closed")


def find(mounts: Sequence[Mount], target: str) -> Mount:
    """The mount on the directory `target`, else the one with this id. Raises Failure when there is neither."""
    path = os.path.abspath(target)  # noqa: PTH100 - as text: the daemon's path may not be resolvable for this user
    # A failed mount frees its path, so that a live one may be there as well: that one goes first.
    ranked = sorted(mounts, key=lambda mount: mount.state == "failed")
    for key, value in (("mount_path", path), ("id", target)):
        for mount in ranked:
            if getattr(mount, key) == value:
                return mount
    raise Failure(
        f"no mount: {target}",
        code="mount_not_found",
        exit_code=ExitCode.NOT_FOUND,
        hint="`mows status` lists the mounts",
    )
