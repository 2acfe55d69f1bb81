"""Room for a run: in memory where there is enough, else on disk, and nothing left of it afterwards."""

from __future__ import annotations

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.node.errors import NodeError

MEMORY = Path("/dev/shm")
HEADROOM_RATIO = 1.25
"""How much more memory than asked for must be free: the page cache of the mount and the processes need some too."""

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8


class NotEnoughRoom(NodeError):
    """Neither memory nor the temporary directory has room; the message says how much is missing."""


@contextmanager
def scratch(need_bytes: int, *, prefix: str) -> Iterator[Path]:
    """A new directory with room for `need_bytes`. Mounts below it are detached and all of it is removed afterwards."""
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=_home(need_bytes)))
    try:
        yield path
    finally:
        remove(path)


def remove(path: Path) -> None:
    """Delete a directory and what is in it; mounts below it are detached first."""
    for target in mounts_below(path):
        detach(target)
    shutil.rmtree(path)


def in_memory(path: Path) -> bool:
    """Whether `path`, made by `scratch`, lies in memory."""
    return path.is_relative_to(MEMORY)


def _home(need_bytes: int) -> Path:
    if _free_memory_bytes() >= need_bytes * HEADROOM_RATIO:
        return MEMORY
    disk = Path(tempfile.gettempdir())
    free_bytes = shutil.disk_usage(disk).free
    if free_bytes < need_bytes:
        raise NotEnoughRoom(
            f"{need_bytes / 2**30:.1f} GiB are needed and {disk} has {free_bytes / 2**30:.1f} GiB free: "
            "use a smaller --size, or set TMPDIR to a larger disk"
        )
    return disk


def _free_memory_bytes() -> int:
    """What both the tmpfs and the memory of the machine have free; 0 where there is no tmpfs."""
    if not MEMORY.is_mount():
        return 0
    lines = Path("/proc/meminfo").read_text().splitlines()
    available_kib = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    return min(available_kib * 1024, shutil.disk_usage(MEMORY).free)


def mounts_below(path: Path) -> list[Path]:
    """Mount points of this process's mount namespace below `path`, the innermost first."""
    rows = Path("/proc/self/mountinfo").read_text().splitlines()
    targets = (Path(row.split()[4].encode().decode("unicode_escape")) for row in rows)
    return sorted((target for target in targets if target.is_relative_to(path)), reverse=True)


def detach(target: Path) -> None:
    """Unmount lazily, so that it works with files open and with a dead server too. OSError when it does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(target), MNT_DETACH | UMOUNT_NOFOLLOW) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
