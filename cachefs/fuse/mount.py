"""A file system on a directory: mount, serve, unmount. What the other packages see of FUSE."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import mounting
from cachefs.fuse.adapter import Adapter
from cachefs.fuse.device import Device
from cachefs.fuse.handshake import shake_hands
from cachefs.fuse.notify import Notifier
from cachefs.fuse.open_files import OpenFiles, hint_for, probe
from cachefs.fuse.options import MountOptions
from cachefs.fuse.replies import Replies
from cachefs.fuse.statistics import Counters, FuseStatistics
from cachefs.fuse.target import Target
from cachefs.fuse.threads import DeviceThreads
from cachefs.ports import FileSystem
from cachefs.types import Ino

_log = logging.getLogger(__name__)


class FuseMount:
    """One mount of `fs` on `target`. Start it once, stop it once.

    While it is mounted, `fs` is called from the device threads, and from no other thread but for the `release` of files
    that are still open at the end.
    """

    def __init__(self, fs: FileSystem, target: Path, options: MountOptions) -> None:
        self._fs = fs
        self._path = target
        self._options = options
        self._counters = Counters()
        self._connection: _Connection | None = None

    @property
    def passthrough(self) -> bool:
        """Whether complete files are read by the kernel itself. False before `start`."""
        return self._connection is not None and self._connection.passthrough

    def start(self) -> None:
        """Mount and begin to serve. Blocks until the handshake is done.

        Creates the directory when it is missing. Raises InvalidTarget, FuseUnavailable or another MountError; then
        nothing is left behind.
        """
        target = Target.prepare(self._path)
        try:
            fd = mounting.mount(target.path, self._options)
        except BaseException:
            target.remove()
            raise
        device = Device(fd)
        try:
            connection = self._connect(target, device)
        except BaseException:
            mounting.unmount(target.path)
            device.close()
            target.remove()
            raise
        try:
            connection.serve()
        except BaseException:
            connection.stop(0.0)
            raise
        self._connection = connection

    def stop(self, *, timeout_seconds: float) -> None:
        """Unmount lazily and stop serving. Idempotent. Blocks.

        The mount leaves the directory tree at once. Files that are still open are served until they are closed, for
        `timeout_seconds` at most; then their readers get EIO or ENOTCONN, except for those of passthrough files, which
        need nobody. Leaves no thread, descriptor or mount, and removes the directories that `start` made.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.stop(timeout_seconds)

    def _connect(self, target: Target, device: Device) -> _Connection:
        options = self._options
        agreed = shake_hands(device, passthrough=options.passthrough is not False)
        passthrough = agreed and _works(device, options)
        if options.passthrough and not passthrough:
            raise FuseUnavailable(
                f"{target.path}: this kernel or this user cannot do FUSE passthrough",
                hint="use Linux 6.9 or later with CAP_SYS_ADMIN, or let passthrough be chosen automatically",
            )
        return _Connection(self._fs, target, device, options, self._counters, passthrough=passthrough)

    def invalidate_entry(self, parent: Ino, name: bytes) -> None:
        """Let the kernel look `name` up again. Queued; returns at once; does nothing when not mounted."""
        if (connection := self._connection) is not None:
            connection.notifier.invalidate_entry(parent, name)

    def invalidate_inode(self, ino: Ino) -> None:
        """Let the kernel forget the attributes and cached pages (for a directory: its listing) of `ino`. Queued."""
        if (connection := self._connection) is not None:
            connection.notifier.invalidate_inode(ino)

    def statistics(self) -> FuseStatistics:
        """What was done so far; still there after `stop`."""
        return self._counters.snapshot()


class _Connection:
    """What lives from the handshake to the end of the mount."""

    def __init__(
        self,
        fs: FileSystem,
        target: Target,
        device: Device,
        options: MountOptions,
        counters: Counters,
        *,
        passthrough: bool,
    ) -> None:
        name = f"fuse-{target.path.name}"
        replies = Replies(device, counters)
        self.passthrough = passthrough
        self.notifier = Notifier(device, f"{name}-notify")
        self._target = target
        self._device = device
        self._options = options
        self._files = OpenFiles(fs, device, counters, passthrough=passthrough)
        self._adapter = Adapter(fs, device, self._files, replies, self.notifier, counters, options)
        self._threads = DeviceThreads(device, self._adapter.handle, options.threads, name)

    def serve(self) -> None:
        """Start the threads."""
        self.notifier.start()
        self._threads.start()
        _raise_read_ahead(self._target.path, self._options.read_ahead_bytes)

    def stop(self, timeout_seconds: float) -> None:
        """Each step lets the next one end: reads free pages, pages free the notifier, then threads are not needed."""
        try:
            mounting.unmount(self._target.path)
        except MountError as error:
            _log.error("%s; the mount point stays, and answers ENOTCONN from now on", error)
        self._threads.join(timeout_seconds)
        self._adapter.drain()
        self.notifier.stop()
        self._threads.stop()
        self._device.close()
        self._files.release_all()
        self._target.remove()


def _works(device: Device, options: MountOptions) -> bool:
    refusal = probe(device)
    if refusal is not None:
        number = refusal.errno or 0
        _log.info("%s: no FUSE passthrough: %s (%s)", options.fs_name, refusal.strerror, hint_for(number))
    return refusal is None


def _raise_read_ahead(target: Path, read_ahead_bytes: int) -> None:
    """Set it for this mount's device. The kernel lets the handshake only lower it."""
    try:
        device = os.stat(target).st_dev
        setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
        setting.write_text(str(read_ahead_bytes // 1024))
    except OSError as error:
        _log.info("%s: kernel read-ahead stays at its default: %s", target, error)
