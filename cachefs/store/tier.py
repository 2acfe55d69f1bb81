"""One tier: a directory with blobs in it. Does the system calls; decides and counts nothing but faults.

Methods raise OSError where the operating system does. The directory of the tier is made at the start and never again:
when a disk is unmounted under a running daemon, what would be written lands nowhere instead of below the mount point.
"""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import CorruptBlob, StoreError
from cachefs.store import layout
from cachefs.store.claim import claim
from cachefs.store.index import Index, create_index, index_bytes
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.meta import Meta, read_meta, write_meta
from cachefs.store.oscalls import Calls, Step, closing_fd, store_error
from cachefs.store.values import TierSettings
from cachefs.types import BlobId

log = logging.getLogger(__name__)

STAT_BLOCK_BYTES = 512
"""The unit of `st_blocks`, on every file system."""

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OPEN = os.O_RDWR | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class BlobFiles:
    """The open files of a blob. Whoever holds this closes it."""

    data_fd: int
    index_fd: int

    def close(self) -> None:
        """Close both."""
        os.close(self.data_fd)
        os.close(self.index_fd)


@dataclass(frozen=True, slots=True)
class Found:
    """A complete blob directory of an earlier run."""

    meta: Meta
    last_used: float
    allocated_bytes: int


class Tier:
    """One directory, locked against other processes while this object lives."""

    def __init__(self, settings: TierSettings, calls: Calls) -> None:
        self.settings = settings
        self.path = settings.path
        self.faults = 0
        self._calls = calls
        self._fault_lock = threading.Lock()  # guards faults and _reported; no other lock is taken while it is held
        self._reported: set[tuple[Step, int | None]] = set()
        self._dead_numbers = itertools.count(os.getpid() * 1_000_000)
        self._lock_fd = claim(settings)
        self.device = os.stat(self.path).st_dev

    def close(self) -> None:
        """Let another process have the directory. Touches no blob."""
        os.close(self._lock_fd)

    def fault(self, step: Step, error: OSError) -> StoreError:
        """Count `error`, log the first of its kind, and turn it into the cache's own."""
        with self._fault_lock:
            self.faults += 1
            is_first = (step, error.errno) not in self._reported
            self._reported.add((step, error.errno))
        if is_first:
            log.warning("tier %s: cannot %s: %s; the next of this kind are only counted", self.path, step.value, error)
        return store_error(step, self.path, error)

    def free_bytes(self) -> int:
        """Free space of the file system, as an unprivileged user sees it. Raises TierUnavailable."""
        try:
            status = self._calls(Step.FREE_SPACE, os.statvfs, self.path)
        except OSError as error:
            raise self.fault(Step.FREE_SPACE, error) from error
        return status.f_bavail * status.f_frsize

    def paths(self, blob_id: BlobId) -> BlobPaths:
        """Where the blob is, whether or not it exists."""
        return blob_paths(self.path, blob_id)

    def create(self, meta: Meta) -> int:
        """A new blob without chunks; returns the bytes it occupies. Leaves nothing behind when it raises, if it can."""
        paths = self.paths(meta.key.blob_id)
        with suppress(FileExistsError):
            self._calls(Step.DIRECTORY, os.mkdir, paths.directory.parent, 0o700)
        self._calls(Step.DIRECTORY, os.mkdir, paths.directory, 0o700)
        try:
            self._create_files(paths, meta)
            return self.allocated_bytes(meta.key.blob_id)
        except OSError:
            with suppress(OSError):
                self.destroy(paths.directory)
            raise

    def open(self, meta: Meta) -> tuple[BlobFiles, Index]:
        """The files of an existing blob. Raises CorruptBlob when they cannot be those of `meta`."""
        paths = self.paths(meta.key.blob_id)
        data_fd = self._calls(Step.DATA_OPEN, os.open, paths.data, _OPEN)
        try:
            index_fd = self._calls(Step.INDEX_OPEN, os.open, paths.index, _OPEN)
        except OSError:
            os.close(data_fd)
            raise
        files = BlobFiles(data_fd, index_fd)
        try:
            return files, Index.load(self._calls, index_fd, meta.key)
        except (OSError, CorruptBlob):
            files.close()
            raise

    def inspect(self, blob_id: BlobId) -> Found:
        """What the directory says about itself. Raises CorruptBlob for one that is half deleted or damaged."""
        paths = self.paths(blob_id)
        try:
            meta = read_meta(self._calls, paths)
            data, index, used = (os.stat(path) for path in (paths.data, paths.index, paths.meta))
        except FileNotFoundError as error:
            raise CorruptBlob(f"{error.filename} is missing") from error
        if data.st_size != meta.key.size_bytes:
            raise CorruptBlob(f"data has {data.st_size} bytes instead of {meta.key.size_bytes}")
        if index.st_size != index_bytes(meta.key):
            raise CorruptBlob(f"index has {index.st_size} bytes instead of {index_bytes(meta.key)}")
        return Found(meta, used.st_mtime, self.allocated_bytes(blob_id))

    def scan(self) -> Iterator[BlobId]:
        """The blobs of an earlier run. Removes what evictions left behind when they were interrupted."""
        for blob_id, directory in layout.blob_directories(self.path):
            if blob_id is None:
                self.unlink(directory)
            else:
                yield blob_id

    def allocated_bytes(self, blob_id: BlobId) -> int:
        """Blocks of the blob's directory and of every file in it, whether or not the store has it open."""
        return self._calls(Step.DATA_MEASURE, _allocated_bytes, self.paths(blob_id).directory)

    def touch(self, blob_id: BlobId, when: float) -> None:
        """Record the time of use where the next run finds it: as the modification time of meta.json."""
        self._calls(Step.TOUCH, os.utime, self.paths(blob_id).meta, (when, when))

    def disown(self, blob_id: BlobId) -> None:
        """Make the blob an incomplete directory, so that no run takes it up; the store drops it at its last release."""
        try:
            self._calls(Step.DISOWN, os.unlink, self.paths(blob_id).meta)
        except OSError as error:
            self.fault(Step.DISOWN, error)

    def condemn(self, blob_id: BlobId) -> Path:
        """Take the blob out of the layout; what it occupies is free once the returned directory is destroyed."""
        paths = self.paths(blob_id)
        dead = paths.dead(next(self._dead_numbers))
        self._calls(Step.CONDEMN, os.rename, paths.directory, dead)
        return dead

    def destroy(self, directory: Path) -> None:
        """Unlink a blob's directory. May take a second for a large blob. What is gone already is no error."""
        with suppress(FileNotFoundError):
            for entry in list(os.scandir(directory)):
                self._calls(Step.DESTROY, os.unlink, entry.path)
            self._calls(Step.DESTROY, os.rmdir, directory)

    def unlink(self, directory: Path) -> bool:
        """Whether `destroy` succeeded; a failure is counted."""
        try:
            self.destroy(directory)
        except OSError as error:
            self.fault(Step.DESTROY, error)
            return False
        return True

    def _create_files(self, paths: BlobPaths, meta: Meta) -> None:
        data_fd = self._calls(Step.DATA_CREATE, os.open, paths.data, _CREATE, 0o600)
        with closing_fd(data_fd):
            self._calls(Step.DATA_CREATE, os.ftruncate, data_fd, meta.key.size_bytes)
        index_fd = self._calls(Step.INDEX_CREATE, os.open, paths.index, _CREATE, 0o600)
        with closing_fd(index_fd):
            create_index(self._calls, index_fd, meta.key)
        write_meta(self._calls, paths, meta)


def _allocated_bytes(directory: Path) -> int:
    inner = sum(entry.stat(follow_symlinks=False).st_blocks for entry in os.scandir(directory))
    return STAT_BLOCK_BYTES * (inner + os.stat(directory).st_blocks)
