"""The seams of the cache, each as small as its users need. Nothing here does anything.

All methods may be called from any thread unless their docstring says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from cachefs.types import ByteRange, Deadline, FileHandle, Ino, ObjectInfo

Buffer = bytes | bytearray | memoryview

PIECE_BYTES = 2 << 20
"""The most that an origin hands out at a time: a huge page. A tmpfs with huge pages then takes each piece as one page,
where a smaller one makes it clear the rest of the page first (measured: a fifth of the time of a cold read)."""


@runtime_checkable
class Origin(Protocol):
    """Where data lives: one bucket, one host, one exported directory. Blocking; called from fill threads.

    Every method raises errors of the `cachefs.errors.OriginError` family and `DeadlineExceeded`, and nothing else.
    Methods do not retry what the caller could retry, with one exception: an answer that says the credentials expired
    is tried once more with newer ones.
    """

    @property
    def authority(self) -> str:
        """Canonical name of what is shared by all users of this origin, e.g. ``oss://bucket``."""
        ...

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """Pages of all objects whose key begins with `prefix`, in the origin's order, recursively.

        `prefix` is a key prefix on a directory border (empty, or ends with ``/``), or one whole key.
        """
        ...

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """The object as it is now."""
        ...

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """The bytes of `span` of exactly the version `info` names, as consecutive pieces of 1 to `PIECE_BYTES`.

        A piece is valid until the next one is asked for (its buffer is used again). Raises ObjectChanged when the
        origin no longer has that version, OriginProtocolError when fewer or other bytes come than asked for. The caller
        closes the iterator when it stops early.
        """
        ...

    def close(self) -> None:
        """Release connections. Reads in progress fail with OriginUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Waited:
    """What reads waited for, in seconds, while bytes that they asked for were not in the cache."""

    origin: float = 0.0
    """The bytes were on their way from the origin."""
    peers: float = 0.0
    """They were on their way from a peer."""
    disk: float = 0.0
    """They had come, and were written to the cache, or were compared with their hash."""
    queued: float = 0.0
    """Nothing was under way: for want of a free slot, of a peer that has the bytes, or in a pause after a failure."""

    def __add__(self, other: Waited) -> Waited:
        return Waited(
            self.origin + other.origin, self.peers + other.peers, self.disk + other.disk, self.queued + other.queued
        )

    @property
    def total(self) -> float:
        """All of it."""
        return self.origin + self.peers + self.disk + self.queued


NOT_WAITED = Waited()


class ReadReply(Protocol):
    """The one answer to one read request. One of its methods is called until it has answered, from any thread.

    A reply whose request was interrupted or whose mount is gone swallows the answer: its methods never raise.
    """

    def file(self, fd: int, offset: int, length: int) -> OSError | None:
        """Answer with `length` bytes of the file `fd` (a blob's data file) at `offset`.

        What this gives is why the file could not be read: the request has no answer then, and still waits for one.
        """
        ...

    def data(self, data: Buffer) -> None:
        """Answer with these bytes. Fewer than were asked for means the end of the file."""
        ...

    def error(self, errno: int) -> bool:
        """Answer with a positive errno. False when nobody waited for it any more, so that no read has failed."""
        ...

    def waited(self, waited: Waited) -> None:
        """Tell, beside the answer, what the read waited for. Not called for one that did not wait."""
        ...


@dataclass(frozen=True, slots=True)
class Attributes:
    """What stat shows. Times are those of the object at the origin; files are 0444, directories 0555."""

    ino: Ino
    is_directory: bool
    size_bytes: int
    mtime_ns: int
    nlink: int = 1


@dataclass(frozen=True, slots=True)
class DirectoryEntry:
    """One row of a directory listing. `name` is what the kernel is given."""

    name: bytes
    attributes: Attributes


@dataclass(frozen=True, slots=True)
class Opened:
    """The answer to an open.

    `backing_fd` is the descriptor of the complete, verified data file if there is one: the FUSE layer may hand it to
    the kernel for passthrough. It stays open until `release`. `backing_fd` is None while chunks are missing.
    """

    handle: FileHandle
    backing_fd: int | None


class FileSystem(Protocol):
    """A read-only file system without FUSE: what `cachefs.fuse` serves. No method blocks.

    Errors are OSError with an errno (ENOENT, ENOTDIR, EISDIR, ESTALE, EIO, ENODATA, ...).
    """

    def lookup(self, parent: Ino, name: bytes) -> Attributes:
        """The entry `name` of directory `parent`. ENOENT when there is none."""
        ...

    def getattr(self, ino: Ino) -> Attributes:
        """ESTALE when no snapshot that is still in use has this inode."""
        ...

    def readdir(self, ino: Ino) -> Sequence[DirectoryEntry]:
        """All entries except ``.`` and ``..``, in byte order; an immutable sequence that a refresh does not alter."""
        ...

    def open(self, ino: Ino) -> Opened:
        """Open a file for reading. The version behind the handle never changes. EISDIR for a directory."""
        ...

    def read(self, handle: FileHandle, offset: int, size: int, reply: ReadReply) -> None:
        """Answer `reply` with up to `size` bytes at `offset`, now if they are resident, else from a fill thread."""
        ...

    def release(self, handle: FileHandle) -> bool:
        """The last descriptor and mapping of this open is gone. True when an open would now get a `backing_fd`."""
        ...

    def xattrs(self, ino: Ino) -> dict[bytes, bytes]:
        """The extended attributes: ``user.mows.blob``, ``user.mows.source``, ``user.mows.percent``."""
        ...

    def total_bytes(self) -> tuple[int, int]:
        """(bytes, number of files) of the current snapshot, for statfs."""
        ...
