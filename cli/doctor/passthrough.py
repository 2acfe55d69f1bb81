"""Whether cached files really are read by the kernel alone: tried on a mount of one file, not guessed."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

from cachefs.errors import MountError
from cachefs.fuse import FuseMount, MountOptions
from cachefs.ports import Attributes, DirectoryEntry, Opened, ReadReply
from cachefs.types import ROOT_INO, FileHandle, Ino
from cli.doctor.finding import Finding, fail, ok, warn

NAME = "test mount"
STOP_SECONDS = 5.0
CONTENT = b"read by the kernel alone" * 1000

_FILE_INO = Ino(2)
_ROOT = Attributes(ROOT_INO, is_directory=True, size_bytes=0, mtime_ns=0, nlink=2)
_FILE = Attributes(_FILE_INO, is_directory=False, size_bytes=len(CONTENT), mtime_ns=0)


class OneFile:
    """A file system that holds one complete file, ``probe``, in `backing_fd`."""

    def __init__(self, backing_fd: int) -> None:
        self._backing_fd = backing_fd

    def lookup(self, parent: Ino, name: bytes) -> Attributes:
        """The file."""
        if (parent, name) == (ROOT_INO, b"probe"):
            return _FILE
        raise OSError(errno.ENOENT, "no such file")

    def getattr(self, ino: Ino) -> Attributes:
        """Of the root or the file."""
        return _ROOT if ino == ROOT_INO else _FILE

    def readdir(self, ino: Ino) -> Sequence[DirectoryEntry]:  # noqa: ARG002 - there is one directory
        """The file."""
        return (DirectoryEntry(b"probe", _FILE),)

    def open(self, ino: Ino) -> Opened:
        """Complete, so that the kernel may read it by itself."""
        return Opened(FileHandle(ino), self._backing_fd)

    def read(self, handle: FileHandle, offset: int, size: int, reply: ReadReply) -> None:  # noqa: ARG002 - one file
        """Where the kernel does ask."""
        reply.file(self._backing_fd, offset, max(0, min(size, len(CONTENT) - offset)))

    def release(self, handle: FileHandle) -> bool:  # noqa: ARG002 - nothing to do: `backing_fd` is its owner's
        """It was complete before, and still is."""
        return True

    def xattrs(self, ino: Ino) -> dict[bytes, bytes]:  # noqa: ARG002 - none has any
        """None."""
        return {}

    def total_bytes(self) -> tuple[int, int]:
        """One file."""
        return len(CONTENT), 1


def probe(*, wanted: bool | None) -> Finding:
    """Mount one file on a temporary directory and read it. `wanted` is what the configuration says of passthrough."""
    with tempfile.TemporaryDirectory(prefix="mows-doctor-") as directory, tempfile.TemporaryFile() as backing:
        backing.write(CONTENT)
        backing.flush()
        options = MountOptions(threads=1, passthrough=wanted, allow_other=False, fs_name="mows-doctor")
        mount = FuseMount(OneFile(backing.fileno()), Path(directory), options)
        try:
            mount.start()
        except MountError as error:
            return fail(NAME, f"{error} ({error.code})", error.hint or "look at the checks above")
        try:
            passthrough, same = mount.passthrough, (Path(directory) / "probe").read_bytes() == CONTENT
        finally:
            mount.stop(timeout_seconds=STOP_SECONDS)
    return judge(passthrough=passthrough, same=same, wanted=wanted)


def judge(*, passthrough: bool, same: bool, wanted: bool | None) -> Finding:
    """What the test mount showed: whether the kernel took `passthrough`, and whether the bytes were the `same`."""
    if not same:
        return fail(NAME, "a file read through a mount has other bytes", "do not use this kernel; report it")
    if passthrough:
        return ok(NAME, "mounted, read, unmounted; passthrough works")
    if wanted is False:
        return ok(NAME, "mounted, read, unmounted; passthrough is off by configuration")
    remedy = "Linux 6.9 or later, and CAP_SYS_ADMIN for the daemon"
    return warn(NAME, "mounted, read, unmounted; no passthrough: every read goes through the daemon", remedy)
