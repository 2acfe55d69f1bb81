"""A file system on a directory: mount, serve, unmount. What the other packages see of FUSE."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import codec, mounting
from cachefs.fuse.adapter import Adapter
from cachefs.fuse.device import Device
from cachefs.fuse.handshake import shake_hands
from cachefs.fuse.journal import NoJournal, OpenJournal
from cachefs.fuse.notify import Notifier
from cachefs.fuse.open_files import OpenFiles, hint_for, probe
from cachefs.fuse.options import MountOptions
from cachefs.fuse.replies import Replies
from cachefs.fuse.state import ConnectionState
from cachefs.fuse.statistics import Counters, FuseStatistics
from cachefs.fuse.target import Target
from cachefs.fuse.threads import STOP_SECONDS, DeviceThreads
from cachefs.ports import FileSystem
from cachefs.types import Deadline, Ino

_log = logging.getLogger(__name__)


class FuseMount:
    """One mount of `fs` on `target`. Start or adopt it once, then stop or leave it once.

    While it is mounted, `fs` is called from the device threads, and from no other thread but for the `open` of files
    that are open when it is adopted and the `release` of those that still are at the end.

    `journal` is what the next daemon needs, beside `dup_fd` and `state`, to go on where this one ends; it stays the
    caller's.
    """

    def __init__(self, fs: FileSystem, target: Path, options: MountOptions, journal: OpenJournal | None = None) -> None:
        self._fs = fs
        self._path = target
        self._options = options
        self._journal = journal or NoJournal()
        self._counters = Counters()
        self._connection: _Connection | None = None

    @property
    def passthrough(self) -> bool:
        """Whether complete files are read by the kernel itself. False before `start`."""
        return self._connection is not None and self._connection.state.passthrough

    def start(self) -> None:
        """Mount and begin to serve. Blocks until the handshake is done. Clears the journal.

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
            state = self._agree(target, device)
            self._journal.clear()
            connection = self._connect(state, device)
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
        _raise_read_ahead(target.path, self._options.read_ahead_bytes)

    def adopt(self, fd: int, state: ConnectionState) -> None:
        """Serve a connection that an earlier daemon made, and that nobody serves now. Owns `fd` from now on. Blocks.

        `state` is that daemon's `state`, the journal is its journal. Files that are open are opened again first, and
        must get the handles that they had: `fs` gives an inode one handle, and always the same. Requests that the
        earlier daemon left unanswered are sent again by the kernel; one before 6.9 has failed them already. Raises
        MountError when the connection has ended; then only `fd` is closed.
        """
        device = Device(fd)
        try:
            _check_alive(device, state)
            connection = self._connect(state, device)
        except BaseException:
            device.close()
            raise
        try:
            connection.take_over()
            connection.serve()
        except BaseException:
            connection.leave(Deadline.after(0.0))
            raise
        self._connection = connection

    def state(self) -> ConnectionState:
        """What `adopt` needs to know. RuntimeError when nothing is mounted."""
        return self._mounted().state

    def dup_fd(self) -> int:
        """A copy of the descriptor that `adopt` needs, for the caller to keep elsewhere. The mount lives while it does.

        RuntimeError when nothing is mounted.
        """
        return self._mounted().device.dup()

    def stop(self, *, timeout_seconds: float) -> None:
        """Unmount lazily and stop serving. Idempotent. Blocks.

        The mount leaves the directory tree at once. Files that are still open are served until they are closed, for
        `timeout_seconds` at most; then their readers get EIO or ENOTCONN, except for those of passthrough files, which
        need nobody. A reader that comes later waits for as long as somebody else keeps a `dup_fd`: have it dropped
        before. Leaves no thread, descriptor or mount, and removes the directories that `start` made.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.stop(timeout_seconds)

    def leave(self, *, timeout_seconds: float) -> None:
        """Stop serving and leave the mount to the next daemon. Idempotent. Blocks up to about `timeout_seconds`.

        Requests are left with the kernel, which sends again what is unanswered once the mount is adopted. A kernel
        before 6.9 fails that instead, so there, reads in flight are waited for. Somebody must hold a `dup_fd`, or the
        mount ends here. Leaves no thread and no descriptor; `fs` has all its files back; the journal keeps them.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.leave(Deadline.after(timeout_seconds))

    def _mounted(self) -> _Connection:
        if self._connection is None:
            raise RuntimeError(f"{self._path}: not mounted")
        return self._connection

    def _agree(self, target: Target, device: Device) -> ConnectionState:
        options = self._options
        agreed = shake_hands(device, passthrough=options.passthrough is not False)
        passthrough = agreed.passthrough and _works(device, options)
        if options.passthrough and not passthrough:
            raise FuseUnavailable(
                f"{target.path}: this kernel or this user cannot do FUSE passthrough",
                hint="use Linux 6.9 or later with CAP_SYS_ADMIN, or let passthrough be chosen automatically",
            )
        return ConnectionState(target, agreed.minor, passthrough, agreed.resend)

    def _connect(self, state: ConnectionState, device: Device) -> _Connection:
        if not state.resend:
            _fail_what_is_in_flight_at_death(device, self._options)
        return _Connection(self._fs, device, self._options, self._counters, self._journal, state)

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
    """What lives from the handshake, or from the takeover, to the end of the mount or to the handover."""

    def __init__(
        self,
        fs: FileSystem,
        device: Device,
        options: MountOptions,
        counters: Counters,
        journal: OpenJournal,
        state: ConnectionState,
    ) -> None:
        name = f"fuse-{state.target.path.name}"
        self.state = state
        self.device = device
        self.notifier = Notifier(device, f"{name}-notify")
        self._journal = journal
        self._replies = Replies(device, counters)
        self._files = OpenFiles(fs, device, counters, journal, passthrough=state.passthrough)
        self._adapter = Adapter(
            fs, device, self._files, self._replies, self.notifier, counters, options, _new_directory_handle()
        )
        self._threads = DeviceThreads(device, self._adapter.handle, options.threads, name)

    def take_over(self) -> None:
        """Open what is open, and ask for what is unanswered: before `serve`, so that what we read is not sent twice."""
        self._files.restore(self._journal.state())
        if self.state.resend:
            self.device.send(codec.encode_resend())

    def serve(self) -> None:
        """Start the threads."""
        self.notifier.start()
        self._threads.start()

    def stop(self, timeout_seconds: float) -> None:
        """Each step lets the next one end: reads free pages, pages free the notifier, then threads are not needed."""
        target = self.state.target
        try:
            mounting.unmount(target.path)
        except MountError as error:
            _log.error("%s; the mount point stays, and answers ENOTCONN from now on code=%s", error, error.code)
        self._threads.join(timeout_seconds)
        self._adapter.drain()
        if not (self.notifier.stop(STOP_SECONDS) & self._threads.stop()):
            _log.error("%s: threads of this mount hang in the kernel and are left behind", target.path)
        self.device.close()
        self._files.close()
        target.remove()

    def leave(self, deadline: Deadline) -> None:
        """The notifier goes first: it can wait for a read, and a process with a thread that does so cannot end."""
        path = self.state.target.path
        if not self.notifier.stop(deadline.remaining_seconds()):
            _log.warning("%s: the kernel still waits for a read before it drops pages", path)
        if not self._threads.stop():
            _log.error("%s: threads of this mount hang in the kernel and are left behind", path)
        if not self.state.resend and (failing := self._replies.wait_for_none(deadline.remaining_seconds())):
            _log.warning("%s: this kernel cannot send requests again: %d reads in flight fail", path, failing)
        if (left := self._replies.leave_all()) and self.state.resend:
            _log.info("%s: %d reads that wait for data are left to the next daemon", path, left)
        self.device.close()
        self._files.close()


def _check_alive(device: Device, state: ConnectionState) -> None:
    if device.has_ended():
        raise MountError(f"{state.target.path}: the mount has ended", hint="unmount what is left, and mount anew")


def _new_directory_handle() -> int:
    """Numbers from here on were given to no directory by an earlier daemon of this boot: none opens 1e9 in a second."""
    return time.monotonic_ns()


def _fail_what_is_in_flight_at_death(device: Device, options: MountOptions) -> None:
    """See `Device.serve_through_a_clone`: nothing can be sent again, and nobody shall wait for it for ever."""
    try:
        device.serve_through_a_clone()
    except OSError as error:
        _log.info(
            "%s: requests in flight wait for ever if the daemon dies and a keeper lives: %s", options.fs_name, error
        )


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
