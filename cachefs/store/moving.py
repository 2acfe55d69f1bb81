"""Copying a blob into another tier, where it appears as a whole or not at all.

The copy grows under the name of an evicted blob (`cachefs.store.layout`): data first, then index, then meta.json; it
gets its real name last, by a rename. So the next start removes whatever a crash leaves of it, and older versions do so
too. Bytes go from file to file in the kernel, and never more than `DIRTY_BYTES` of them wait for the disk.

The original is opened for each piece anew. When it is evicted while it is copied it is really gone: an open descriptor
would keep its memory, which the tier counts as free.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cachefs.store.index import Index
from cachefs.store.layout import BlobPaths
from cachefs.store.meta import Meta, write_meta
from cachefs.store.oscalls import Calls, Step, closing_fd, write_all
from cachefs.store.tier import Tier
from cachefs.store.write_back import finish_writing, start_writing

PIECE_BYTES = 32 << 20
"""What is copied before the disk is waited for: some 50 ms of a disk that writes 0.65 GB/s."""
DIRTY_BYTES = 2 * PIECE_BYTES
"""The piece that the disk writes, and the one that is copied meanwhile."""

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Original:
    """What is copied: a complete blob that nobody has open."""

    paths: BlobPaths
    meta: Meta
    index: Index
    last_used: float


def copy_blob(calls: Calls, original: Original, target: Tier, go_on: Callable[[], bool]) -> BlobPaths | None:
    """Copy the blob into `target`, not in place yet. Blocks on both disks.

    None when `go_on`, asked before each piece, says no, or the original is gone. Raises NoSpace or TierUnavailable, and
    counts that as a fault of `target`. In both cases nothing is left, if that can be.
    """
    meta = original.meta
    copy = target.staging(meta.key.blob_id)
    try:
        _make_directory(calls, copy)
        if _copy_data(calls, original.paths.data, copy.data, meta.key.size_bytes, go_on):
            _write_index(calls, copy.index, original.index)
            write_meta(calls, copy, meta)
            calls(Step.TOUCH, os.utime, copy.meta, (original.last_used, original.last_used))
            return copy
    except OSError as error:
        target.unlink(copy.directory)
        raise target.fault(Step.COPY, error) from error
    target.unlink(copy.directory)
    return None


def _make_directory(calls: Calls, copy: BlobPaths) -> None:
    with suppress(FileExistsError):
        calls(Step.DIRECTORY, os.mkdir, copy.directory.parent, 0o700)
    calls(Step.DIRECTORY, os.mkdir, copy.directory, 0o700)


def _copy_data(calls: Calls, source: Path, target: Path, size_bytes: int, go_on: Callable[[], bool]) -> bool:
    fd = calls(Step.DATA_CREATE, os.open, target, _CREATE, 0o600)
    with closing_fd(fd):
        for start in range(0, size_bytes, PIECE_BYTES):
            if not go_on():
                return False
            stop = min(start + PIECE_BYTES, size_bytes)
            if not _copy_piece(calls, source, fd, start, stop):
                return False
            calls(Step.FLUSH, start_writing, fd, start, stop - start)
            if start:
                calls(Step.FLUSH, finish_writing, fd, start - PIECE_BYTES, PIECE_BYTES)
        calls(Step.FLUSH, finish_writing, fd, 0, size_bytes)
    return True


def _copy_piece(calls: Calls, source: Path, fd: int, start: int, stop: int) -> bool:
    """Append ``[start, stop)`` of `source`, which the caller has copied up to `start`. False: it is gone."""
    try:
        source_fd = calls(Step.DATA_OPEN, os.open, source, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    with closing_fd(source_fd):
        while start < stop:
            count = calls(Step.COPY, os.sendfile, fd, source_fd, start, stop - start)
            if count == 0:
                raise OSError(errno.EIO, f"the file ends at {start}")
            start += count
    return True


def _write_index(calls: Calls, path: Path, index: Index) -> None:
    fd = calls(Step.INDEX_CREATE, os.open, path, _CREATE, 0o600)
    with closing_fd(fd):
        write_all(calls, Step.INDEX_CREATE, fd, index.encode(), 0)
