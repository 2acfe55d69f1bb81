"""One tier: a directory with blobs in it. Does the system calls; decides and counts nothing but faults.

Methods raise OSError where the operating system does. The directory of the tier is made when the tier is taken, at the
start and when it is back after it had vanished: when a disk is unmounted under a running daemon, what would be written
lands nowhere instead of below the mount point.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import CorruptBlob, StoreError
from cachefs.store import layout
from cachefs.store.claim import claim
from cachefs.store.examining import examine, find
from cachefs.store.file_systems import mount_point_of
from cachefs.store.health import Finding, Health
from cachefs.store.index import Index, create_index, index_bytes
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.meta import Meta, read_meta, write_meta
from cachefs.store.occupancy import directory_bytes
from cachefs.store.oscalls import Calls, Step, closing_fd, store_error
from cachefs.store.values import TierSettings
from cachefs.types import BlobId

log = logging.getLogger(__name__)

_CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_OPEN = os.O_RDWR | os.O_CLOEXEC
_OPEN_READ_ONLY = os.O_RDONLY | os.O_CLOEXEC


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

    def __init__(self, settings: TierSettings, calls: Calls, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.path = settings.path
        self.faults = 0
        self.overlooked = False
        """Whether blobs may lie here that the catalog does not know. Guarded by the store's lock."""
        self._calls = calls
        self._clock = clock
        self._fault_lock = threading.Lock()  # guards faults, _health and _reported; no other lock is taken under it
        self._health = Health()
        self._reported: set[tuple[Step, int | None]] = set()
        self._disowned: set[BlobId] = set()  # added to under the lock of a blob, else used under the store's
        self._dead_numbers = itertools.count(os.getpid() * 1_000_000)
        self._lock_fd = -1
        self._take()

    def close(self) -> None:
        """Let another process have the directory. Touches no blob."""
        self.let_go()

    def let_go(self) -> None:
        """As `close`, for a directory that is gone: nothing of ours keeps its file system. Idempotent."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def retake(self, prepare: Callable[[TierSettings], object]) -> bool:
        """Take the directory again if it is back, as at the start. Raises OSError and what taking it raises.

        False while the file system that the tier lay on is not mounted: what is seen there now is the one below it. One
        that was mounted over the directory is meant to be the tier's: a daemon may have started before it was.
        """
        if not mount_point_of(self._anchor).is_relative_to(self._home):
            return False
        if self.settings.own_file_system:
            prepare(self.settings)
        self._take()
        return True

    @property
    def health(self) -> Health:
        """Whether it works."""
        return self._health

    def fault(self, step: Step, error: OSError) -> StoreError:
        """Count `error`, log the first of a time of trouble, and turn it into the cache's own."""
        if error.errno in {errno.ENOENT, errno.ENOTDIR}:
            self.has_vanished()
        with self._fault_lock:
            self.faults += 1
            is_first = (step, error.errno) not in self._reported
            self._reported.add((step, error.errno))
            before = self._health
            self._health = before.faulted(f"cannot {step.value}: {error}", error.errno, self._clock())
            known = bool(before.trouble)
        if is_first and not known:
            log.warning(
                "tier %s: cannot %s: %s; reads go on, the next faults are only counted", self.path, step.value, error
            )
        return store_error(step, self.path, error)

    def note(self, finding: Finding) -> Health:
        """Believe what a look found; say in the log when a trouble begins or ends."""
        now = self._clock()
        with self._fault_lock:
            before, self._health = self._health, self._health.found(finding, now)
            after = self._health
            if not after.trouble:
                self._reported.clear()
        if after.trouble and not before.trouble:
            log.warning("tier %s: %s; reads go on without it", self.path, after.trouble)
        elif before.trouble and not after.trouble:
            log.info("tier %s: works again after %.1f s", self.path, now - before.since)
        return after

    def has_vanished(self) -> bool:
        """Whether what is missing is missing because the whole directory is. Said in the log if that is news."""
        finding = self._find_it()
        return finding.gone and self.note(finding).gone

    def examine(self) -> Finding:
        """Look at the directory: quickly while all is well, by writing a file while it is not. Blocks."""
        finding = self._find_it()
        return finding if finding.gone else examine(self.settings, self._calls, write=bool(self._health.trouble))

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
        if self._health.gone:
            raise FileNotFoundError(errno.ENOENT, "the tier's directory has vanished")
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
        """The files of an existing blob. Raises CorruptBlob when they cannot be those of `meta`.

        On a read-only file system what is there can be read; writing to it fails.
        """
        if meta.key.blob_id in self._disowned:
            raise CorruptBlob("holds bytes that are wrong, and its index could not be told")
        paths = self.paths(meta.key.blob_id)
        data_fd = self._open(Step.DATA_OPEN, paths.data)
        try:
            index_fd = self._open(Step.INDEX_OPEN, paths.index)
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

    def blob_ids(self) -> Iterator[BlobId]:
        """The blobs that lie here. Touches nothing."""
        return (blob_id for blob_id, _ in layout.blob_directories(self.path) if blob_id is not None)

    def allocated_bytes(self, blob_id: BlobId) -> int:
        """Blocks of the blob's directory and of every file in it, whether or not the store has it open."""
        return self._calls(Step.DATA_MEASURE, directory_bytes, self.paths(blob_id).directory)

    def beside_bytes(self, blob_id: BlobId) -> int:
        """As `allocated_bytes` without the data file, which others may be writing to at this moment."""
        return self._calls(Step.DATA_MEASURE, directory_bytes, self.paths(blob_id).directory, but="data")

    def touch(self, blob_id: BlobId, when: float) -> None:
        """Record the time of use where the next run finds it: as the modification time of meta.json."""
        self._calls(Step.TOUCH, os.utime, self.paths(blob_id).meta, (when, when))

    def disown(self, blob_id: BlobId) -> None:
        """Make the blob an incomplete directory, so that no run takes it up; the store drops it at its last release.

        Where not even that can be done, this run at least does not open it again.
        """
        self._disowned.add(blob_id)
        try:
            self._calls(Step.DISOWN, os.unlink, self.paths(blob_id).meta)
        except OSError as error:
            self.fault(Step.DISOWN, error)

    def condemn(self, blob_id: BlobId) -> Path:
        """Take the blob out of the layout; what it occupies is free once the returned directory is destroyed."""
        paths = self.paths(blob_id)
        dead = paths.dead(next(self._dead_numbers))
        self._calls(Step.CONDEMN, os.rename, paths.directory, dead)
        self._disowned.discard(blob_id)
        return dead

    def staging(self, blob_id: BlobId) -> BlobPaths:
        """Where a copy of the blob may grow: the next start takes it for an evicted one, and removes it."""
        return BlobPaths(self.paths(blob_id).dead(next(self._dead_numbers)))

    def place(self, copy: BlobPaths, blob_id: BlobId) -> None:
        """Make a copy that grew in `staging` the blob."""
        self._calls(Step.PLACE, os.rename, copy.directory, self.paths(blob_id).directory)

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

    def _open(self, step: Step, path: Path) -> int:
        try:
            return self._calls(step, os.open, path, _OPEN)
        except OSError as error:
            if error.errno != errno.EROFS:
                raise
            self.fault(step, error)
            return self._calls(step, os.open, path, _OPEN_READ_ONLY)

    def _take(self) -> None:
        self._lock_fd = claim(self.settings)
        self._home = mount_point_of(self._anchor)
        self.device = os.stat(self.path).st_dev

    @property
    def _anchor(self) -> Path:
        """What lies on the file system that has to be there for the tier to be there."""
        return self.path.parent if self.settings.own_file_system else self.path

    def _find_it(self) -> Finding:
        return find(self.path, self._lock_fd)

    def _create_files(self, paths: BlobPaths, meta: Meta) -> None:
        data_fd = self._calls(Step.DATA_CREATE, os.open, paths.data, _CREATE, 0o600)
        with closing_fd(data_fd):
            self._calls(Step.DATA_CREATE, os.ftruncate, data_fd, meta.key.size_bytes)
        index_fd = self._calls(Step.INDEX_CREATE, os.open, paths.index, _CREATE, 0o600)
        with closing_fd(index_fd):
            create_index(self._calls, index_fd, meta.key)
        write_meta(self._calls, paths, meta)
