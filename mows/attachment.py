"""What a mount holds on to while it is served: its origin, its place in the kernel, its record on the disk.

Blocking throughout: for threads, one call at a time. The life of the mount around it is `mows.mount`.
"""

from __future__ import annotations

import contextlib
import logging
from dataclasses import dataclass

from cachefs.fs import Account, Shown, Snapshot
from cachefs.operations import Operations
from cachefs.origin import Source
from cachefs.ports import Origin
from mows import logs
from mows.late_origin import LateOrigin
from mows.mount_records import MountRecords
from mows.mount_spec import MountSpec
from mows.ports import KernelMount, Mounter, MountPlace, Origins

log = logging.getLogger(__name__)

ORIGIN_SECONDS = 60.0
"""To open an origin is to read credentials, or to mount a NAS, which has 30 s by itself (`nas.timeout`)."""

KERNEL_SECONDS = 30.0
"""A mount, its end, or a new listing of it takes milliseconds. Beyond this the watchdog says where it stands."""


@dataclass(frozen=True, slots=True)
class AttachmentServices:
    """What attachments have in common."""

    origins: Origins
    mounter: Mounter
    records: MountRecords
    operations: Operations
    drain_seconds: float


class Attachment:
    """Of one mount. Begin it with `restore` or with `open` and `mount`, and close it, whatever came of that."""

    def __init__(
        self, place: MountPlace, spec: MountSpec, source: Source, account: Account, services: AttachmentServices
    ) -> None:
        self._place = place
        self._spec = spec
        self._source = source
        self._account = account
        self._services = services
        self._resources = contextlib.ExitStack()  # the origin
        self._origin: Origin | None = None
        self.kernel: KernelMount | None = None
        """The mount, while there is one."""
        self.adopted = False
        """Whether it is an earlier daemon's, and its readers have only waited."""
        self.handed_over = False
        """Whether it is the next daemon's."""

    @property
    def origin(self) -> Origin:
        """Only after `open` or `restore`."""
        assert self._origin is not None
        return self._origin

    def open(self) -> None:
        """Open the origin. Raises what `Origins.use` raises."""
        with self._services.operations.watched("origin.open", ORIGIN_SECONDS, source=self._source.uri):
            self._origin = self._resources.enter_context(self._services.origins.use(self._source))

    def mount(self, snapshot: Snapshot) -> None:
        """Mount, with a record that is there before anybody can read. Raises MountError."""
        self._mount(Shown(snapshot))

    def restore(self) -> Snapshot | None:
        """Go on with the mount of an earlier daemon, or mount again what it showed. Asks no origin.

        None when what it showed is lost: its mount is taken away then, and the origin must be listed. MountError.
        """
        services = self._services
        self._origin = self._resources.enter_context(LateOrigin(services.origins, self._source))
        shown = services.records.shown(self._place.mount_id)
        with services.operations.watched("restore", KERNEL_SECONDS, source=self._source.uri):
            try:
                if shown is not None:
                    self.kernel = services.mounter.take_over(self._place, shown, self._origin, self._account)
            finally:  # after a bug, too: its readers would wait for somebody to serve them
                self.adopted = self.kernel is not None
                if not self.adopted:
                    services.mounter.take_away(self._place)
        if self.kernel is None and shown is not None:
            self._mount(shown)
        return None if shown is None else shown.snapshot

    def show(self, snapshot: Snapshot) -> None:
        """Show another listing. The record knows it first: else the next daemon could be asked for unknown inodes."""
        assert self.kernel is not None
        with self._services.operations.watched("refresh", KERNEL_SECONDS, source=self._source.uri):
            self._record(Shown(snapshot, self.kernel.unlisted_after(snapshot)))
            self.kernel.show(snapshot)

    def close(self, *, hand_over: bool) -> None:
        """Unmount, and forget the mount; or leave both to the next daemon, where a keeper says that it holds the mount.

        The origin is closed in any case. Raises MountError.
        """
        kernel, self.kernel = self.kernel, None
        with self._resources:
            if hand_over and kernel is not None and kernel.kept():
                with self._services.operations.watched("hand over", KERNEL_SECONDS):
                    kernel.leave(timeout_seconds=self._services.drain_seconds)
                self.handed_over = True
                return
            self._services.records.remove(self._place.mount_id)  # first: what was unmounted must not come back
            if kernel is not None:
                self._unmount(kernel)

    def _unmount(self, kernel: KernelMount) -> None:
        drain_seconds = self._services.drain_seconds
        waits_for = "readers of files that are still open"
        with self._services.operations.watched("unmount", drain_seconds + KERNEL_SECONDS, waits_for=waits_for):
            kernel.stop(timeout_seconds=drain_seconds)

    def _mount(self, shown: Shown) -> None:
        self._record(shown)
        with self._services.operations.watched("mount", KERNEL_SECONDS, source=self._source.uri):
            self.kernel = self._services.mounter.mount(self._place, shown, self.origin, self._account)

    def _record(self, shown: Shown) -> None:
        """A state directory that cannot be written costs the mount its survival, not its readers."""
        place = self._place
        try:
            self._services.records.write(place.mount_id, self._spec, place.target, shown)
        except OSError as error:
            logs.warn(log, "record not written, the mount would not survive a restart", reason=str(error))
            self._services.records.remove(place.mount_id)
