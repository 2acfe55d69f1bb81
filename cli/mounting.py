"""What ``mows mount`` does with a daemon, whichever that is: put the mount, wait with progress, say what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cli.errors import WaitInterrupted
from cli.output import emit_json, emit_line, emit_note
from cli.progress import reporter
from cli.units import hidden_note, size_text
from cli.waiting import FIRST_WAIT_SECONDS, failure, wait_for_mount
from mows.api.models import Mount
from mows.client import Client


@dataclass(frozen=True, slots=True)
class Wanted:
    """The mount that was asked for."""

    mount_id: str
    source: str
    mount_path: str
    warm: bool

    def body(self) -> dict[str, object]:
        """Of the PUT."""
        return {"source": self.source, "mount_path": self.mount_path, "warm": self.warm}


def begin(api: Client, wanted: Wanted) -> Mount:
    """Put the mount: most are settled by then. Raises WaitInterrupted on Ctrl-C."""
    with _going_on(wanted):
        return api.put_mount(wanted.mount_id, wanted.body(), wait_seconds=FIRST_WAIT_SECONDS)


def wait(api: Client, wanted: Wanted, mount: Mount, *, quiet: bool) -> Mount:
    """Wait until it is settled. Raises the failure it ended in, WaitInterrupted on Ctrl-C."""
    with _going_on(wanted), reporter(wanted.source, quiet=quiet) as progress:
        mount = wait_for_mount(api, mount, progress.show)
    if mount.error is not None and (mount.state == "failed" or wanted.warm):
        done = "cannot mount" if mount.state == "failed" else f"mounted on {mount.mount_path}, but not warm"
        raise failure(done, mount.error)
    return mount


@contextmanager
def _going_on(wanted: Wanted) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise WaitInterrupted(
            f"stopped waiting: the mount goes on in the daemon: {wanted.mount_id}",
            hint=f"`mows status` shows it, `mows umount {wanted.mount_id}` ends it",
        ) from None


def emit_mount(mount: Mount, *, as_json: bool) -> None:
    """Say what is there now."""
    if as_json:
        emit_json(mount)
        return
    total = size_text(mount.bytes.total)
    emit_line(f"{mount.state}: {mount.source} on {mount.mount_path} ({mount.files} files, {total})")
    if mount.hidden:
        emit_note(hidden_note(mount.hidden, mount.source))
