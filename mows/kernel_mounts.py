"""The kernel side of mounts: `MountedFileSystem` served by `FuseMount`, as the ports want them.

With a keeper, a copy of each mount's descriptor lies there under ``mount/<id>``, with what the next daemon must know of
the connection. The journal of open files lies beside the mount's record.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path

from cachefs.errors import MountError
from cachefs.fs import Account, FileCache, FileNode, MountedFileSystem, Shown, Snapshot
from cachefs.fuse import ConnectionState, FileJournal, FuseMount, FuseStatistics, MountOptions, check_target
from cachefs.fuse.mounting import unmount
from cachefs.fuse.target import MOUNTINFO, mount_points
from cachefs.ports import Origin
from mows import logs
from mows.errors import KeeperUnavailable
from mows.keeping import Keeping
from mows.ports import MountPlace

log = logging.getLogger(__name__)

PREFIX = "mount/"
TYPE = b" - fuse.mows "
"""The type of our mounts in the kernel's list."""


class FuseMounter:
    """Implements `mows.ports.Mounter`."""

    def __init__(
        self, cache: FileCache, options: MountOptions, journal_of: Callable[[str], Path], keeping: Keeping | None
    ) -> None:
        """`journal_of` names the file for the open files of a mount; its directory exists. None: mounts end with us."""
        self._cache = cache
        self._options = options
        self._journal_of = journal_of
        self._keeping = keeping

    def check(self, target: Path) -> None:
        """See `Mounter.check`."""
        check_target(target)

    def mount(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> FuseKernelMount:
        """See `Mounter.mount`."""
        return self._served(place, shown, origin, account, self._journal(place), FuseMount.start)

    def take_over(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> FuseKernelMount | None:
        """See `Mounter.take_over`."""
        found = self._take(place)
        if found is None:
            return None
        fd, state = found
        with contextlib.ExitStack() as unused:
            unused.callback(os.close, fd)

            def adopt(fuse: FuseMount) -> None:
                unused.pop_all()  # the mount's from here on, whatever comes of it
                fuse.adopt(fd, state)

            journal = self._journal(place)
            if journal is None:
                return None
            try:
                mount = self._served(place, shown, origin, account, journal, adopt)
            except MountError as error:
                logs.warn(log, "not taken over", mount=place.mount_id, reason=str(error))
                return None
        logs.event(log, "taken over", mount=place.mount_id, source=place.source)
        return mount

    def take_away(self, place: MountPlace) -> None:
        """See `Mounter.take_away`."""
        if self._keeping is not None:
            self._keeping.drop(PREFIX + place.mount_id)
        _unmount_ours(place.target)

    def sweep(self, known: Collection[str]) -> None:
        """See `Mounter.sweep`."""
        if self._keeping is None or not self._keeping.connected:
            return
        try:
            strays = [name for name in self._keeping.names() if name.removeprefix(PREFIX) not in known]
            for name in strays:
                self._sweep(self._keeping, name)
        except KeeperUnavailable as error:
            logs.failure(log, "sweep", error)

    def _sweep(self, keeping: Keeping, name: str) -> None:
        found = keeping.take(name)
        keeping.drop(name)
        if found is None:
            return
        fd, note = found
        os.close(fd)
        logs.event(log, "unmounted: it has no record", mount=name.removeprefix(PREFIX))
        try:
            _unmount_ours(ConnectionState.from_note(note).target.path)
        except MountError as error:
            logs.failure(log, "sweep", error)

    def _take(self, place: MountPlace) -> tuple[int, ConnectionState] | None:
        if self._keeping is None:
            return None
        if not self._keeping.connected:
            _lost(place, "the keeper does not answer")  # asked a moment ago: many mounts do not wait for it in turn
            return None
        try:
            found = self._keeping.take(PREFIX + place.mount_id)
        except KeeperUnavailable as error:
            _lost(place, str(error))
            return None
        if found is None:
            _lost(place, "the keeper does not hold it: it was started anew while no daemon ran")
            return None
        fd, note = found
        try:
            return fd, ConnectionState.from_note(note)
        except MountError as error:
            os.close(fd)
            logs.failure(log, "take over", error, mount=place.mount_id)
            return None

    def _served(
        self,
        place: MountPlace,
        shown: Shown,
        origin: Origin,
        account: Account,
        journal: FileJournal | None,
        begin: Callable[[FuseMount], None],
    ) -> FuseKernelMount:
        with contextlib.ExitStack() as undo:
            if journal is not None:
                undo.callback(journal.close)
            fs = MountedFileSystem(
                shown.snapshot,
                origin,
                self._cache,
                source=place.source,
                account=account,
                unlisted=shown.unlisted,
                mount=place.mount_id,
            )
            undo.callback(fs.close)
            fuse = FuseMount(fs, place.target, self._options, journal)
            begin(fuse)
            undo.pop_all()
        keeping = None if journal is None else self._keeping
        mount = FuseKernelMount(fs, fuse, journal, PREFIX + place.mount_id, keeping)
        mount.keep()
        return mount

    def _journal(self, place: MountPlace) -> FileJournal | None:
        """None: the mount ends with this daemon."""
        if self._keeping is None:
            return None
        try:
            return FileJournal(self._journal_of(place.mount_id))
        except OSError as error:
            logs.warn(log, "no journal of open files, so the mount cannot be kept", reason=str(error))
            return None


class FuseKernelMount:
    """Implements `mows.ports.KernelMount`."""

    def __init__(
        self,
        fs: MountedFileSystem,
        fuse: FuseMount,
        journal: FileJournal | None,
        name: str,
        keeping: Keeping | None,
    ) -> None:
        """`name`: the one at the keeper."""
        self._fs = fs
        self._fuse = fuse
        self._journal = journal
        self._name = name
        self._keeping = keeping

    @property
    def passthrough(self) -> bool:
        """See `KernelMount.passthrough`."""
        return self._fuse.passthrough

    def kept(self) -> bool:
        """See `KernelMount.kept`."""
        return self._keeping is not None and self._keeping.connected and self._keeping.supply()

    def keep(self) -> None:
        """Let the keeper have it, if there is one."""
        if self._keeping is None:
            return
        fd = self._fuse.dup_fd()
        try:
            self._keeping.put(self._name, fd, self._fuse.state().as_note())
        finally:
            os.close(fd)

    def show(self, snapshot: Snapshot) -> None:
        """See `KernelMount.show`."""
        stale = self._fs.swap(snapshot)
        for ino in stale.inodes:
            self._fuse.invalidate_inode(ino)
        for parent, name in stale.entries:
            self._fuse.invalidate_entry(parent, name)

    def unlisted_after(self, snapshot: Snapshot) -> tuple[FileNode, ...]:
        """See `KernelMount.unlisted_after`."""
        return self._fs.unlisted_after(snapshot)

    def statistics(self) -> FuseStatistics:
        """See `KernelMount.statistics`."""
        return self._fuse.statistics()

    def stop(self, *, timeout_seconds: float) -> None:
        """See `KernelMount.stop`."""
        if self._keeping is not None:
            self._keeping.drop(self._name)  # first: readers would wait for it after we are gone
        self._fuse.stop(timeout_seconds=timeout_seconds)
        self._close()

    def leave(self, *, timeout_seconds: float) -> None:
        """See `KernelMount.leave`."""
        self._fuse.leave(timeout_seconds=timeout_seconds)
        self._close()

    def _close(self) -> None:
        self._fs.close()
        if self._journal is not None:
            self._journal.close()


def _lost(place: MountPlace, reason: str) -> None:
    logs.warn(
        log,
        "the mount of the daemon before is lost, and mounted anew; files that were open fail with ENOTCONN",
        mount=place.mount_id,
        code=KeeperUnavailable.code,
        reason=reason,
    )


def _unmount_ours(target: Path) -> None:
    """Take away what is mounted there as long as it is of our kind. Raises MountError."""
    while os.fsencode(target) in _our_mount_points():
        unmount(target)


def _our_mount_points() -> frozenset[bytes]:
    return mount_points(b"\n".join(line for line in MOUNTINFO.read_bytes().splitlines() if TYPE in line))
