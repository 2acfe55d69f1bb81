"""Opens and releases: applies the table of modes, registers backing files with the kernel, and keeps the journal.

After a takeover the kernel still holds files open that this daemon never opened. `restore` opens them again, by the
journal. One that cannot be opened is lost: reads and further opens of it fail until the kernel has released it. Those
that the kernel reads by itself go on in any case.

An open that the earlier daemon recorded but did not answer is sent again, and answered as it would have been. A backing
file that it registered but did not record any more stays registered until the connection ends: a window of microseconds
in which nothing but disk space can be lost.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import replace

from cachefs.fuse.abi import UNIQUE_RESEND, OpenFlag
from cachefs.fuse.device import Device, DeviceClosed
from cachefs.fuse.journal import Kind, OpenJournal, OpenState, Record
from cachefs.fuse.modes import Choice, InodeState, Left, ModeTable
from cachefs.fuse.statistics import Counters
from cachefs.ports import FileSystem, Opened
from cachefs.types import FileHandle, Ino

_log = logging.getLogger(__name__)

_CACHED = (OpenFlag.KEEP_CACHE, None)  # a version never changes, so what is cached of it never goes stale


class OpenFiles:
    """The open files of one mount. Thread-safe.

    `passthrough` says whether the kernel agreed to it; it can still refuse single files, which are then served in
    cached mode.
    """

    def __init__(
        self, fs: FileSystem, device: Device, counters: Counters, journal: OpenJournal, *, passthrough: bool
    ) -> None:
        self._fs = fs
        self._device = device
        self._counters = counters
        self._journal = journal
        self._passthrough = passthrough
        # Guards what follows, and makes a mode, the registration of its backing file and its record one step.
        self._lock = threading.Lock()
        self._modes = ModeTable()
        self._open: Counter[tuple[Ino, FileHandle]] = Counter()  # a file system may give one handle to many opens
        self._refusals: set[int] = set()
        self._lost: dict[Ino, OSError] = {}
        self._handles: dict[Ino, FileHandle] = {}  # of the files that `restore` opened
        self._answered: frozenset[int] = frozenset()

    def restore(self, state: OpenState) -> None:
        """Open what the kernel holds open of an earlier daemon. Call it before the first request is served.

        The file system must give an inode the handle that it had there: the kernel goes on to use that.
        """
        self._answered = state.answered
        for ino, inode in state.inodes.items():
            self._modes.restore(ino, replace(inode, inherited=True))
            try:
                self._reopen(ino, inode)
            except OSError as error:
                self._lost[ino] = error
        if state.unclosed is not None:
            self._close_backing(state.unclosed)
        if self._lost:
            ino, reason = next(iter(self._lost.items()))
            _log.warning(
                "%d files that were open before the restart cannot be opened again, reads of them fail: "
                "inode %d, for example: %s",
                len(self._lost),
                ino,
                reason,
            )

    def check(self, ino: Ino) -> None:
        """Raise OSError when `ino` is open for the kernel, but was lost in a takeover."""
        if (error := self._lost.get(ino)) is not None:
            raise OSError(error.errno or errno.EIO, f"inode {ino} was lost when the daemon was restarted: {error}")

    def open(self, ino: Ino, unique: int) -> tuple[FileHandle, OpenFlag, int]:
        """Open `ino`: its handle, how the kernel shall read it, and the backing id (0 in cached mode)."""
        if self._was_recorded(unique):
            return self._answer_again(ino, unique)
        self.check(ino)
        opened = self._fs.open(ino)
        try:
            flags, backing_id = self._enter(ino, opened, unique)
        except BaseException:
            self._fs.release(opened.handle)
            raise
        self._counters.opened(passthrough=backing_id is not None)
        return opened.handle, flags, backing_id or 0

    def release(self, ino: Ino, handle: FileHandle, unique: int) -> bool:
        """Close `handle`. True if the kernel's cached pages are now a useless second copy, to be dropped.

        They are when nobody has the inode open and the next open will be passthrough. Without passthrough they are what
        makes the second reader fast.
        """
        if self._was_recorded(unique):
            return False
        with self._lock:
            left = self._leave(ino, unique)
            if not self._open[ino, handle]:
                return False  # lost
            self._open -= Counter([(ino, handle)])  # drops what becomes 0
        complete = self._fs.release(handle)
        return complete and left is Left.CACHED and self._passthrough

    def close(self) -> None:
        """Give every file back to the file system. What the kernel and the journal hold stays."""
        with self._lock:
            outstanding, self._open = list(self._open.elements()), Counter()
        for _, handle in outstanding:
            self._fs.release(handle)

    def _reopen(self, ino: Ino, inode: InodeState) -> None:
        for _ in range(inode.opens):
            self._handles[ino] = self._fs.open(ino).handle
            self._open[ino, self._handles[ino]] += 1

    def _was_recorded(self, unique: int) -> bool:
        """Whether an earlier daemon did what is asked for here, and may only not have said so."""
        return bool(unique & UNIQUE_RESEND) and unique & ~UNIQUE_RESEND in self._answered

    def _answer_again(self, ino: Ino, unique: int) -> tuple[FileHandle, OpenFlag, int]:
        with self._lock:
            try:
                self.check(ino)
            except OSError:
                self._leave(ino, unique)  # the kernel sends no RELEASE for an open that failed
                raise
            backing_id = self._modes.open_inodes()[ino].backing_id
        flags = OpenFlag.KEEP_CACHE if backing_id is None else OpenFlag.PASSTHROUGH
        return self._handles[ino], flags, backing_id or 0

    def _enter(self, ino: Ino, opened: Opened, unique: int) -> tuple[OpenFlag, int | None]:
        with self._lock:
            flags, backing_id = self._answer(ino, opened)
            self._modes.opened(ino, backing_id)
            self._open[ino, opened.handle] += 1
            self._journal.record(Record(Kind.OPEN, unique & ~UNIQUE_RESEND, ino, backing_id))
        return flags, backing_id

    def _leave(self, ino: Ino, unique: int) -> Left:
        """One open less. The lock is held."""
        left, backing_id = self._modes.released(ino)
        self._journal.record(Record(Kind.RELEASE, unique & ~UNIQUE_RESEND, ino))
        if backing_id is not None:
            self._close_backing(backing_id)
        if left is not Left.OPEN:
            self._lost.pop(ino, None)
        return left

    def _close_backing(self, backing_id: int) -> None:
        with suppress(FileNotFoundError):  # an earlier daemon has done it
            self._device.backing_close(backing_id)

    def _answer(self, ino: Ino, opened: Opened) -> tuple[OpenFlag, int | None]:
        fd = opened.backing_fd if self._passthrough else None
        match self._modes.choose(ino, complete=fd is not None):
            case Choice.SHARE:
                return OpenFlag.PASSTHROUGH, self._modes.backing_id(ino)
            case Choice.REGISTER if fd is not None:
                backing_id = self._register(fd)
                return _CACHED if backing_id is None else (OpenFlag.PASSTHROUGH, backing_id)
            case Choice.REFUSE:
                raise OSError(errno.EIO, f"inode {ino} is open in passthrough, but its file is not complete any more")
            case _:
                return _CACHED

    def _register(self, fd: int) -> int | None:
        try:
            return self._device.backing_open(fd)
        except DeviceClosed:
            return None
        except OSError as error:
            self._refused(error)
            return None

    def _refused(self, error: OSError) -> None:
        number = error.errno or 0
        if number in self._refusals:
            return
        self._refusals.add(number)
        _log.warning("passthrough refused: %s; such files are served in cached mode (%s)", error, hint_for(number))


def probe(device: Device) -> OSError | None:
    """Try passthrough on a file in memory: None when it works, else why not (EPERM without CAP_SYS_ADMIN)."""
    fd = os.memfd_create("mows-passthrough-probe", os.MFD_CLOEXEC)
    try:
        device.backing_close(device.backing_open(fd))
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None


def hint_for(number: int) -> str:
    """What a person can do about a refusal."""
    return {
        errno.EPERM: "it needs CAP_SYS_ADMIN in the initial user namespace",
        errno.ELOOP: "the cache lies on a stacked file system such as overlayfs: put it on ext4, xfs or tmpfs",
    }.get(number, "the cache's file system cannot do it: use ext4, xfs or tmpfs")
