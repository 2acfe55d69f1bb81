"""The twin of `FileSystem` for tests of the FUSE layer: a plain directory, with faults and pauses on command."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cachefs.ports import Attributes, DirectoryEntry, Opened, ReadReply
from cachefs.types import ROOT_INO, FileHandle, Ino


@dataclass(frozen=True, slots=True)
class Parked:
    """A read that waits for the test to let it go on."""

    reply: ReadReply
    answer: Callable[[], object]


class DirectoryFileSystem:
    """Serves `root`. Files are complete (have a `backing_fd`) if `complete` names them, or all if it is None."""

    def __init__(self, root: Path, complete: set[str] | None = None) -> None:
        self.root = root
        self.complete = complete
        self.read_error: BaseException | None = None
        """Raised by the next reads."""
        self.reply_error: int | None = None
        """Answered by the next reads."""
        self.park = False
        """Keep reads in `parked` instead of answering them."""
        self.parked: list[Parked] = []
        self.parked_count = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.handles: dict[FileHandle, tuple[str, int]] = {}
        self.read_bytes = 0
        self._paths: dict[Ino, Path] = {ROOT_INO: root}
        self._numbers = itertools.count(2)
        self._inos: dict[Path, Ino] = {root: ROOT_INO}
        self._handle_numbers = itertools.count(1)
        self._lock = threading.Lock()  # guards the dicts above

    def lookup(self, parent: Ino, name: bytes) -> Attributes:
        return self._attributes(self._path(parent) / os.fsdecode(name))

    def getattr(self, ino: Ino) -> Attributes:
        return self._attributes(self._path(ino))

    def readdir(self, ino: Ino) -> tuple[DirectoryEntry, ...]:
        path = self._path(ino)
        return tuple(
            DirectoryEntry(os.fsencode(name), self._attributes(path / name)) for name in sorted(os.listdir(path))
        )

    def open(self, ino: Ino) -> Opened:
        path = self._path(ino)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, str(path))
        fd = os.open(path, os.O_RDONLY)
        with self._lock:
            handle = FileHandle(next(self._handle_numbers))
            self.handles[handle] = (path.name, fd)
        return Opened(handle, fd if self._is_complete(path.name) else None)

    def read(self, handle: FileHandle, offset: int, size: int, reply: ReadReply) -> None:
        if self.read_error is not None:
            raise self.read_error
        if self.reply_error is not None:
            reply.error(self.reply_error)
            return
        fd = self.handles[handle][1]
        length = max(0, min(size, os.fstat(fd).st_size - offset))
        if self.park:
            self.parked.append(Parked(reply, lambda: reply.file(fd, offset, length)))
            self.parked_count.release()
            return
        with self._lock:
            self.read_bytes += length
        reply.file(fd, offset, length)

    def release(self, handle: FileHandle) -> bool:
        with self._lock:
            name, fd = self.handles.pop(handle)
        os.close(fd)
        self.released.release()
        return self._is_complete(name)

    def xattrs(self, ino: Ino) -> dict[bytes, bytes]:
        return {b"user.mows.blob": b"0123456789abcdef", b"user.mows.source": os.fsencode(self._path(ino))}

    def total_bytes(self) -> tuple[int, int]:
        files = [path for path in self.root.rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files), len(files)

    def ino_of(self, path: Path) -> Ino:
        """The inode number that `path` below the root has, or gets."""
        with self._lock:
            if path not in self._inos:
                self._inos[path] = ino = Ino(next(self._numbers))
                self._paths[ino] = path
            return self._inos[path]

    def answer_parked(self) -> None:
        """Answer every read parked so far, and later reads at once."""
        self.park = False
        while self.parked:
            self.parked.pop().answer()

    def _is_complete(self, name: str) -> bool:
        return self.complete is None or name in self.complete

    def _path(self, ino: Ino) -> Path:
        with self._lock:
            if ino not in self._paths:
                raise OSError(errno.ESTALE, f"inode {ino}")
            return self._paths[ino]

    def _attributes(self, path: Path) -> Attributes:
        status = os.lstat(path)
        return Attributes(self.ino_of(path), path.is_dir(), status.st_size, status.st_mtime_ns)
