"""Decode a request, call the file system, encode the answer. Nothing is decided here.

A request never goes unanswered: what a handler raises becomes an errno by the one table, and the unforeseen becomes EIO
with its traceback in the log. Only FORGET, BATCH_FORGET, INTERRUPT and NOTIFY_REPLY have no answer, by the protocol.

FORGET needs no bookkeeping: an inode number follows from the snapshot alone, so the file system can resolve any number
it ever handed out for as long as the snapshot is in use, whether or not the kernel remembers it.

A request that is sent again after a takeover has a bit set in its `unique`, and is answered with that number. All but
opens and releases (see `OpenFiles`) are simply done once more. Directory handles are numbers that no earlier daemon
gave.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
from collections.abc import Callable, Mapping

from cachefs.errno_table import ORDINARY, errno_of, is_bug
from cachefs.fuse import codec
from cachefs.fuse.abi import WRITING, Opcode, OpenFlag
from cachefs.fuse.codec import Request
from cachefs.fuse.device import Device
from cachefs.fuse.listing import Listing
from cachefs.fuse.notify import Notifier
from cachefs.fuse.open_files import OpenFiles
from cachefs.fuse.options import MountOptions
from cachefs.fuse.replies import Replies
from cachefs.fuse.statistics import Counters
from cachefs.ports import FileSystem
from cachefs.types import FileHandle, Ino

_log = logging.getLogger(__name__)

_Handler = Callable[[Request], bytes | None]
"""The payload of the answer, or None when there is none, or when somebody else sends it. Raises to fail."""

XATTR_PREFIX = b"user.mows."


class Adapter:
    """Serves the requests of one connection from `fs`. Thread-safe; never blocks, never raises."""

    def __init__(
        self,
        fs: FileSystem,
        device: Device,
        files: OpenFiles,
        replies: Replies,
        notifier: Notifier,
        counters: Counters,
        options: MountOptions,
        first_directory_handle: int = 1,
    ) -> None:
        self._fs = fs
        self._device = device
        self._files = files
        self._replies = replies
        self._notifier = notifier
        self._counters = counters
        self._options = options
        self._directories: dict[FileHandle, Listing] = {}  # one key is used by one open only: single, atomic operations
        self._directory_handles = itertools.count(first_directory_handle)
        self._handlers = self._table()
        self._draining = False

    def drain(self) -> None:
        """From now on every read fails with EIO at once, and those that wait are failed now: the mount is going."""
        self._draining = True
        self._replies.fail_all(errno.EIO)

    def handle(self, message: memoryview) -> None:
        """Serve one message."""
        request = codec.decode(message)
        self._counters.received(request.opcode)
        try:
            payload = self._handlers.get(request.opcode, _unknown)(request)
        except Exception as error:  # noqa: BLE001 a request never goes unanswered
            self._fail(request, error)
            return
        if payload is not None:
            self._device.send(codec.encode_header(request.unique, len(payload)), payload)

    def _fail(self, request: Request, error: Exception) -> None:
        number = self._explain(request, error)
        if number not in ORDINARY:
            self._counters.failed()
        self._device.send(codec.encode_error(request.unique, number))

    def _explain(self, request: Request, error: Exception) -> int:
        """The errno for `error`, and a line in the log unless programs ask for it all day long."""
        number = errno_of(error)
        if number not in ORDINARY:
            what = _name(request.opcode), self._options.fs_name, request.ino, request.unique
            name = errno.errorcode.get(number, str(number))
            _log.warning("fuse %s mount=%s ino=%d unique=%d: %s: %s", *what, name, error, exc_info=is_bug(error))
        return number

    def _table(self) -> Mapping[int, _Handler]:
        return {
            Opcode.LOOKUP: self._lookup,
            Opcode.FORGET: _silent,
            Opcode.BATCH_FORGET: _silent,
            Opcode.NOTIFY_REPLY: _silent,
            Opcode.GETATTR: self._getattr,
            Opcode.STATX: self._statx,
            Opcode.READLINK: _not_a_link,
            Opcode.IOCTL: _no_terminal,
            Opcode.OPEN: self._open,
            Opcode.READ: self._read,
            Opcode.RELEASE: self._release,
            Opcode.FSYNC: _done,
            Opcode.FSYNCDIR: _done,
            Opcode.OPENDIR: self._opendir,
            Opcode.READDIR: self._readdir,
            Opcode.READDIRPLUS: self._readdirplus,
            Opcode.RELEASEDIR: self._releasedir,
            Opcode.STATFS: self._statfs,
            Opcode.ACCESS: self._access,
            Opcode.GETXATTR: self._getxattr,
            Opcode.LISTXATTR: self._listxattr,
            Opcode.INTERRUPT: self._interrupt,
            Opcode.DESTROY: _done,
            **dict.fromkeys(WRITING, _read_only),
        }

    def _lookup(self, request: Request) -> bytes:
        attributes = self._fs.lookup(request.ino, codec.decode_name(request.body))
        return codec.encode_entry(attributes, self._options.entry_timeout_seconds, self._options.attr_timeout_seconds)

    def _getattr(self, request: Request) -> bytes:
        return codec.encode_attributes(self._fs.getattr(request.ino), self._options.attr_timeout_seconds)

    def _statx(self, request: Request) -> bytes:
        return codec.encode_statx(self._fs.getattr(request.ino), self._options.attr_timeout_seconds)

    def _open(self, request: Request) -> bytes:
        if codec.decode_open(request.body) & os.O_ACCMODE != os.O_RDONLY:
            raise OSError(errno.EROFS, "opened for writing")
        return codec.encode_open(*self._files.open(request.ino, request.unique))

    def _read(self, request: Request) -> None:
        handle, offset, size = codec.decode_read(request.body)
        reply = self._replies.expect(request.unique)
        if self._draining:
            reply.error(errno.EIO)
            return
        try:
            self._files.check(request.ino)
            self._fs.read(handle, offset, size, reply)
        except Exception as error:  # noqa: BLE001 a request never goes unanswered
            reply.error(self._explain(request, error))

    def _release(self, request: Request) -> bytes:
        if self._files.release(request.ino, codec.decode_release(request.body), request.unique):
            self._notifier.invalidate_inode(request.ino)
        return b""

    def _opendir(self, request: Request) -> bytes:
        handle = FileHandle(next(self._directory_handles))
        self._directories[handle] = Listing(request.ino, self._fs.readdir(request.ino))
        return codec.encode_open(handle, OpenFlag(0))

    def _readdir(self, request: Request) -> bytes:
        handle, offset, size = codec.decode_read(request.body)
        return self._listing(handle, request.ino).plain(offset, size)

    def _readdirplus(self, request: Request) -> bytes:
        handle, offset, size = codec.decode_read(request.body)
        timeouts = self._options.entry_timeout_seconds, self._options.attr_timeout_seconds
        return self._listing(handle, request.ino).plus(offset, size, *timeouts)

    def _releasedir(self, request: Request) -> bytes:
        self._directories.pop(codec.decode_release(request.body), None)
        return b""

    def _listing(self, handle: FileHandle, ino: Ino) -> Listing:
        """The rows that belong to `handle`. An earlier daemon's are made anew: from one snapshot they are the same."""
        listing = self._directories.get(handle)
        if listing is None:
            listing = self._directories[handle] = Listing(ino, self._fs.readdir(ino))
        return listing

    def _statfs(self, _: Request) -> bytes:
        return codec.encode_statfs(*self._fs.total_bytes())

    def _access(self, request: Request) -> bytes:
        if codec.decode_word(request.body) & os.W_OK:
            raise OSError(errno.EROFS, "access for writing")
        return b""

    def _getxattr(self, request: Request) -> bytes:
        name = codec.decode_name(request.body, codec.XATTR_NAME_OFFSET)
        # Others (security.*, system.posix_acl_*) are asked for by every `ls -l` and never exist.
        value = self._fs.xattrs(request.ino).get(name) if name.startswith(XATTR_PREFIX) else None
        if value is None:
            raise OSError(errno.ENODATA, "no such attribute")
        return codec.encode_xattr(value, codec.decode_word(request.body))

    def _listxattr(self, request: Request) -> bytes:
        return codec.encode_xattr_names(self._fs.xattrs(request.ino), codec.decode_word(request.body))

    def _interrupt(self, request: Request) -> None:
        if not self._replies.interrupt(codec.decode_interrupt(request.body)):
            # Answered already, or about to be, or not yet seen by the thread that has it. EAGAIN makes the kernel ask
            # again if the request still waits, and costs nothing if it does not.
            raise OSError(errno.EAGAIN, "nothing to interrupt yet")


def _silent(_: Request) -> None:
    """No answer is expected."""


def _done(_: Request) -> bytes:
    """There is nothing to write back."""
    return b""


def _read_only(_: Request) -> bytes:
    raise OSError(errno.EROFS, "read-only file system")


def _not_a_link(_: Request) -> bytes:
    raise OSError(errno.EINVAL, "there are no symbolic links")


def _no_terminal(_: Request) -> bytes:
    """Whatever opens a file as text asks whether it is a terminal."""
    raise OSError(errno.ENOTTY, "no device")


def _unknown(_: Request) -> bytes:
    """ENOSYS also makes the kernel stop asking, for FLUSH and LSEEK among others, and do what is right by itself."""
    raise OSError(errno.ENOSYS, "not offered")


def _name(opcode: int) -> str:
    try:
        return Opcode(opcode).name
    except ValueError:
        return f"opcode {opcode}"
