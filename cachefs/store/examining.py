"""Looking at a tier's directory: whether it is still the one that was taken, and whether it takes bytes."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from cachefs.store import layout
from cachefs.store.health import Finding
from cachefs.store.oscalls import Calls, Step, closing_fd, write_all
from cachefs.store.values import TierSettings

PROBE_NAME = "probe"
_PROBE_BYTES = 4096
_LEAST_FREE_BYTES = 64 << 10
"""Below it a file system is full, whatever `min_free` says."""

_GONE = Finding("its directory has vanished; mount its file system again", gone=True)


def find(path: Path, lock_fd: int) -> Finding:
    """Whether `path` still leads to the tier whose FORMAT is open as `lock_fd` (negative: it was let go)."""
    if lock_fd < 0:
        return _GONE
    try:
        found, taken = os.stat(path / layout.FORMAT_NAME), os.fstat(lock_fd)
        same = os.path.samestat(found, taken) and (path / "blobs").is_dir()
    except OSError as error:
        same = error.errno not in {errno.ENOENT, errno.ENOTDIR}
    return Finding() if same else _GONE


def examine(settings: TierSettings, calls: Calls, *, write: bool) -> Finding:
    """Whether the file system takes bytes; with `write`, by writing some. Blocks."""
    try:
        status = calls(Step.FREE_SPACE, os.statvfs, settings.path)
        if status.f_flag & os.ST_RDONLY:
            return Finding("its file system is read-only; remount it for writing")
        free_bytes = status.f_bavail * status.f_frsize
        if free_bytes < max(settings.min_free_bytes, _LEAST_FREE_BYTES):
            return Finding(f"its file system is full: {free_bytes} bytes are free; make room in it")
        if write:
            _write_probe(settings.path / PROBE_NAME, calls)
    except OSError as error:
        return Finding(f"cannot be used: {error.strerror or error}")
    return Finding()


def _write_probe(probe: Path, calls: Calls) -> None:
    fd = calls(Step.PROBE, os.open, probe, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with closing_fd(fd):
            write_all(calls, Step.PROBE, fd, bytes(_PROBE_BYTES), 0)
    finally:
        probe.unlink()
