"""Directories of this machine and of a mounted NAS.

The version of a file is ``mtime_ns-size-inode``, compared before and after each piece is read, so that a file that is
written in place, truncated or replaced gives `ObjectChanged` and never a mix.

Symbolic links are followed as long as they stay inside the source or lead into one of the roots that the settings
allow: the daemon may read more of the machine than the people who can write to the source.
"""

from __future__ import annotations

import logging
import os
import stat as mode
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from cachefs.errors import (
    ObjectChanged,
    OriginDenied,
    OriginError,
    OriginNotFound,
    OriginProtocolError,
    OriginUnavailable,
)
from cachefs.origin.posix_walk import Walk
from cachefs.ports import PIECE_BYTES
from cachefs.types import ByteRange, Deadline, ObjectInfo

PAGE_OBJECTS = 1000

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tree:
    """One directory as an origin: its name to the world, and where it lies on this machine."""

    authority: str
    """``file:///srv/models``, ``nas://server/export``."""
    uri_base: str
    """What is put before an absolute key to make a URI: ``file://``, ``nas://server``."""
    key_root: str
    """The key of the root, an absolute path without a final slash (empty for ``/``)."""
    path: Path
    """Where the root lies on this machine."""


class PosixOrigin:
    """See `cachefs.ports.Origin`. Thread-safe."""

    def __init__(self, tree: Tree, symlink_roots: Sequence[str] = ()) -> None:
        self._tree = tree
        self._allowed = tuple(os.path.realpath(path) for path in (str(tree.path), *symlink_roots))
        self._buffers: deque[bytearray] = deque()  # 1 MiB each, as many as there were reads at one time
        self._lock = threading.Lock()  # guards _ignored
        self._ignored: Counter[str] = Counter()
        self._closed = False

    @property
    def authority(self) -> str:
        """The URI of the root."""
        return self._tree.authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`. Names in each directory are in byte order. What is left out is in `statistics`."""
        what = f"list {self._tree.uri_base}{prefix}"
        deadline.check(what)
        walk = Walk(what, self._inside, deadline)
        files = self._files(walk, prefix)
        while page := list(islice(files, PAGE_OBJECTS)):
            yield page
        with self._lock:
            self._ignored = walk.ignored
        if walk.ignored:
            counts = ", ".join(f"{count} {reason}" for reason, count in sorted(walk.ignored.items()))
            log.info("%s: left out: %s", what, counts)

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`."""
        what = f"stat {self._tree.uri_base}{key}"
        deadline.check(what)
        path = self._path_of(what, key)
        try:
            status = path.stat()
        except OSError as error:
            raise _origin_error(what, error) from None
        if not mode.S_ISREG(status.st_mode) or not self._inside(path):
            raise OriginNotFound(f"{what}: not a regular file of this source")
        return self._info(key, status)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        what = f"read {info.uri} [{span.start}, {span.stop})"
        try:
            fd = os.open(self._path_of(what, info.key), os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            raise _origin_error(what, error) from None
        buffer = self._take_buffer()
        try:
            yield from self._pieces(what, fd, memoryview(buffer), info, span, deadline)
        except OSError as error:
            raise _origin_error(what, error) from None
        finally:
            os.close(fd)
            self._buffers.append(buffer)

    def statistics(self) -> dict[str, int]:
        """What the last complete listing left out, by reason."""
        with self._lock:
            return dict(self._ignored)

    def close(self) -> None:
        """See `Origin.close`."""
        self._closed = True
        self._buffers.clear()

    def _pieces(
        self, what: str, fd: int, buffer: memoryview, info: ObjectInfo, span: ByteRange, deadline: Deadline
    ) -> Iterator[memoryview]:
        _check_version(what, fd, info)
        offset = span.start
        while offset < span.stop:
            deadline.check(what)
            if self._closed:
                raise OriginUnavailable(f"{what}: closed")
            got = os.preadv(fd, [buffer[: min(PIECE_BYTES, span.stop - offset)]], offset)
            _check_version(what, fd, info)
            if not got:
                raise OriginProtocolError(f"{what}: the file ends at {offset}")
            offset += got
            yield buffer[:got]

    def _files(self, walk: Walk, prefix: str) -> Iterator[ObjectInfo]:
        path = self._path_of(walk.what, prefix)
        try:
            if prefix.endswith("/"):
                found = walk.below(path, prefix)
            else:
                found = iter([(prefix, path.stat())] if path.is_file() and self._inside(path) else ())
            for key, status in found:
                yield self._info(key, status)
        except OSError as error:
            raise _origin_error(walk.what, error) from None

    def _inside(self, path: Path) -> bool:
        real = os.path.realpath(path)
        return any(real == root or real.startswith(f"{root.rstrip('/')}/") for root in self._allowed)

    def _path_of(self, what: str, key: str) -> Path:
        root = self._tree.key_root
        if not key.startswith(f"{root}/") or "/../" in f"{key}/":
            raise OriginNotFound(f"{what}: not below {self._tree.authority}")
        return self._tree.path / key[len(root) + 1 :]

    def _info(self, key: str, status: os.stat_result) -> ObjectInfo:
        return ObjectInfo(f"{self._tree.uri_base}{key}", key, status.st_size, _version(status), status.st_mtime_ns)

    def _take_buffer(self) -> bytearray:
        try:
            return self._buffers.pop()
        except IndexError:
            return bytearray(PIECE_BYTES)


def _version(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"


def _check_version(what: str, fd: int, info: ObjectInfo) -> None:
    version = _version(os.fstat(fd))
    if version != info.version:
        raise ObjectChanged(f"{what}: version {info.version} was replaced by {version}")


def _origin_error(what: str, error: OSError) -> OriginError:
    message = f"{what}: {error.strerror or error}"
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return OriginNotFound(message, hint="check the path; files on a NAS may have been removed meanwhile")
    if isinstance(error, PermissionError):
        return OriginDenied(message, hint="let the daemon's user read the files and search the directories")
    return OriginUnavailable(message, hint="check the file system: `mount`, `dmesg`, and the NAS server")
