"""Opens and releases: applies the table of modes, and registers backing files with the kernel."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections import Counter

from cachefs.fuse.abi import OpenFlag
from cachefs.fuse.device import Device, DeviceClosed
from cachefs.fuse.modes import Choice, Left, ModeTable
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

    def __init__(self, fs: FileSystem, device: Device, counters: Counters, *, passthrough: bool) -> None:
        self._fs = fs
        self._device = device
        self._counters = counters
        self._passthrough = passthrough
        # Guards _modes, _open and _refusals, and makes a mode and the registration of its backing file one step.
        self._lock = threading.Lock()
        self._modes = ModeTable()
        self._open: Counter[tuple[Ino, FileHandle]] = Counter()  # a file system may give one handle to many opens
        self._refusals: set[int] = set()

    def open(self, ino: Ino) -> tuple[FileHandle, OpenFlag, int]:
        """Open `ino`: its handle, how the kernel shall read it, and the backing id (0 in cached mode)."""
        opened = self._fs.open(ino)
        try:
            flags, backing_id = self._enter(ino, opened)
        except BaseException:
            self._fs.release(opened.handle)
            raise
        self._counters.opened(passthrough=backing_id is not None)
        return opened.handle, flags, backing_id or 0

    def release(self, ino: Ino, handle: FileHandle) -> bool:
        """Close `handle`. True if the kernel's cached pages are now a useless second copy, to be dropped.

        They are when nobody has the inode open and the next open will be passthrough. Without passthrough they are what
        makes the second reader fast.
        """
        with self._lock:
            left, backing_id = self._modes.released(ino)
            self._open -= Counter([(ino, handle)])  # drops what becomes 0
            if backing_id is not None:
                self._device.backing_close(backing_id)
        complete = self._fs.release(handle)
        return complete and left is Left.CACHED and self._passthrough

    def release_all(self) -> None:
        """Close every handle: the connection is gone, and no RELEASE will come."""
        with self._lock:
            outstanding = list(self._open.elements())
        for ino, handle in outstanding:
            self.release(ino, handle)

    def _enter(self, ino: Ino, opened: Opened) -> tuple[OpenFlag, int | None]:
        with self._lock:
            flags, backing_id = self._answer(ino, opened)
            self._modes.opened(ino, backing_id)
            self._open[ino, opened.handle] += 1
        return flags, backing_id

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
