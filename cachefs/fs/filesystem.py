"""The file system a mount shows, without FUSE: names and attributes from a snapshot, bytes from the cache.

A refresh replaces the whole `Snapshot` by one assignment, so every call sees one listing and never a mix of two. An
open file belongs to its version: its node stays in the table of open files, whatever later snapshots say, until the
last release.

A handle is the inode number. All opens of one inode read the same bytes, so a second number would tell nothing more,
and a daemon that takes a mount over finds in the kernel's requests everything it must know to open the file again.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachefs.errors import CacheError
from cachefs.fetch.readahead import is_weight_file
from cachefs.fs.order import weight_files_after
from cachefs.fs.snapshot import DirectoryNode, FileNode, Invalidation, Node, Snapshot, difference
from cachefs.ports import Attributes, DirectoryEntry, Opened, Origin, ReadReply
from cachefs.types import BlobId, FileHandle, Ino, ObjectInfo

log = logging.getLogger(__name__)

Account = Callable[[str, int], None]
"""Called with (source, bytes) whenever fetched bytes land: the mount's own count of where its bytes came from."""


class OpenedFile(Protocol):
    """One file in the cache, open for reading (`cachefs.fetch.CachedFile`)."""

    @property
    def blob_id(self) -> BlobId:
        """The blob behind it."""
        ...

    @property
    def backing_fd(self) -> int | None:
        """The complete, verified data file, or None while chunks are missing."""
        ...

    def read(self, offset: int, size: int, reply: ReadReply) -> None:
        """Answer now or later, without blocking."""
        ...

    def close(self) -> None:
        """Give the blob back."""
        ...


class FileCache(Protocol):
    """What this file system needs of `cachefs.fetch.Fetcher`."""

    def open(
        self,
        info: ObjectInfo,
        origin: Origin,
        *,
        account: Account,
        following: Callable[[], Sequence[ObjectInfo]],
        mount: str,
    ) -> OpenedFile:
        """Open one object; does not touch the network. Raises CacheError."""
        ...

    def blob_id(self, info: ObjectInfo) -> BlobId:
        """The blob that caches this object, whether it exists yet or not."""
        ...

    def resident_bytes(self, info: ObjectInfo) -> int:
        """Bytes of this object in the cache now."""
        ...


@dataclass(slots=True)
class _OpenFile:
    """The table row of an inode that is open. `count` opens share one cached file."""

    node: FileNode
    file: OpenedFile
    count: int


class MountedFileSystem:
    """Implements `cachefs.ports.FileSystem` over one source."""

    def __init__(
        self,
        snapshot: Snapshot,
        origin: Origin,
        cache: FileCache,
        *,
        source: str,
        account: Account,
        unlisted: Iterable[FileNode] = (),
        mount: str = "",
    ) -> None:
        """`mount` is the name in the log.

        `unlisted` are files that no listing shows any more, but that the kernel may have open from an earlier daemon.
        They can be opened by number until the next `swap`, and go on as long as they are open.
        """
        self._snapshot = snapshot
        self._unlisted: Mapping[Ino, FileNode] = {node.attributes.ino: node for node in unlisted}
        self._origin = origin
        self._cache = cache
        self._source = source
        self._account = account
        self._mount = mount
        self._open: dict[FileHandle, _OpenFile] = {}
        self._lock = threading.Lock()  # guards _open and the counts in it; reads look up without it

    @property
    def snapshot(self) -> Snapshot:
        """What is shown now."""
        return self._snapshot

    def swap(self, snapshot: Snapshot) -> Invalidation:
        """Show another listing from now on. Returns what the kernel must be told to forget; open files go on."""
        old, self._snapshot = self._snapshot, snapshot
        self._unlisted = {}
        return difference(old, snapshot)

    def unlisted_after(self, snapshot: Snapshot) -> tuple[FileNode, ...]:
        """The files that may be open now or when `snapshot` is shown, and that it does not list."""
        with self._lock:
            nodes = {row.node.attributes.ino: row.node for row in self._open.values()}
        nodes |= {node.attributes.ino: node for node in self._snapshot.files()}
        return tuple(node for ino, node in nodes.items() if ino not in snapshot.nodes)

    def close(self) -> None:
        """Give back every file that the kernel has not released (it will not, once the mount is gone)."""
        with self._lock:
            rows, self._open = list(self._open.values()), {}
        for row in rows:
            row.file.close()

    # ------------------------------------------------------------------ names

    def lookup(self, parent: Ino, name: bytes) -> Attributes:
        """See `FileSystem.lookup`."""
        attributes = self._directory(parent).by_name.get(name)
        if attributes is None:
            raise _os_error(errno.ENOENT)
        return attributes

    def getattr(self, ino: Ino) -> Attributes:
        """See `FileSystem.getattr`."""
        return self._node(ino).attributes

    def readdir(self, ino: Ino) -> Sequence[DirectoryEntry]:
        """See `FileSystem.readdir`."""
        return self._directory(ino).entries

    def total_bytes(self) -> tuple[int, int]:
        """See `FileSystem.total_bytes`."""
        snapshot = self._snapshot
        return snapshot.total_bytes, snapshot.file_count

    def xattrs(self, ino: Ino) -> dict[bytes, bytes]:
        """See `FileSystem.xattrs`. A directory names its source only."""
        node = self._node(ino)
        if isinstance(node, DirectoryNode):
            return {b"user.mows.source": os.fsencode(self._source + node.path)}
        return {
            b"user.mows.source": os.fsencode(node.info.uri),
            b"user.mows.blob": self._cache.blob_id(node.info).encode(),
            b"user.mows.percent": _percent(self._cache.resident_bytes(node.info), node.info.size_bytes),
        }

    # ------------------------------------------------------------------ bytes

    def open(self, ino: Ino) -> Opened:
        """See `FileSystem.open`. EIO with a log line when the cache cannot even begin."""
        handle = FileHandle(ino)
        with self._lock:
            row = self._open.get(handle)
            if row is None:
                node = self._file(ino)
                row = self._open[handle] = _OpenFile(node, self._open_cached(node), 0)
            row.count += 1
            return Opened(handle, row.file.backing_fd)

    def read(self, handle: FileHandle, offset: int, size: int, reply: ReadReply) -> None:
        """See `FileSystem.read`."""
        row = self._open.get(handle)
        if row is None:
            reply.error(errno.EBADF)
        else:
            row.file.read(offset, size, reply)

    def release(self, handle: FileHandle) -> bool:
        """See `FileSystem.release`."""
        with self._lock:
            row = self._open.get(handle)
            if row is None:
                return False
            complete = row.file.backing_fd is not None
            row.count -= 1
            if row.count == 0:
                del self._open[handle]
                row.file.close()
            return complete

    # --------------------------------------------------------------- internal

    def _open_cached(self, node: FileNode) -> OpenedFile:
        snapshot = self._snapshot
        try:
            return self._cache.open(
                node.info,
                self._origin,
                account=self._account,
                following=lambda: self._following(snapshot, node),
                mount=self._mount,
            )
        except CacheError as error:
            line = "open failed mount=%s source=%s code=%s: %s"  # the border of this error
            log.error(line, self._mount, node.info.uri, error.code, error)
            raise _os_error(errno.EIO) from error

    def _following(self, snapshot: Snapshot, node: FileNode) -> Sequence[ObjectInfo]:
        if not is_weight_file(node.path):
            return ()
        return weight_files_after(node, _siblings(snapshot, node), self._resident_content)

    def _resident_content(self, info: ObjectInfo) -> bytes | None:
        """The bytes of a small file that is in the cache as a whole, else None. Never waits."""
        if self._cache.resident_bytes(info) < info.size_bytes:
            return None
        file = self._cache.open(info, self._origin, account=self._account, following=tuple, mount=self._mount)
        try:
            return None if file.backing_fd is None else os.pread(file.backing_fd, info.size_bytes, 0)
        finally:
            file.close()

    def _node(self, ino: Ino) -> Node:
        node = self._snapshot.nodes.get(ino)
        if node is not None:
            return node
        row = self._open.get(FileHandle(ino))
        if row is not None:
            return row.node
        unlisted = self._unlisted.get(ino)
        if unlisted is None:
            raise _os_error(errno.ESTALE)
        return unlisted

    def _directory(self, ino: Ino) -> DirectoryNode:
        node = self._node(ino)
        if not isinstance(node, DirectoryNode):
            raise _os_error(errno.ENOTDIR)
        return node

    def _file(self, ino: Ino) -> FileNode:
        node = self._node(ino)
        if not isinstance(node, FileNode):
            raise _os_error(errno.EISDIR)
        return node


def _siblings(snapshot: Snapshot, node: FileNode) -> list[FileNode]:
    """All files of the directory that `node` lies in, as long as the snapshot still shows it there."""
    parent = node.path.rpartition("/")[0]
    found = (other for other in snapshot.files() if other.path.rpartition("/")[0] == parent)
    return sorted(found, key=lambda other: other.path)


def _percent(part: int, whole: int) -> bytes:
    return b"100.0" if whole == 0 else f"{100 * part / whole:.1f}".encode()


def _os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
