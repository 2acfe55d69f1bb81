"""Which file system a path lies on, or would once it exists."""

from __future__ import annotations

import os
from pathlib import Path


def nearest_existing(path: Path) -> Path:
    """`path`, or the nearest parent of it that exists."""
    return next(parent for parent in (path, *path.parents) if parent.exists())


def mount_point_of(path: Path) -> Path:
    """Where the file system is mounted that `path` is or would be on. Blind for a bind mount of the same one."""
    place = nearest_existing(path).resolve()
    return next(parent for parent in (place, *place.parents) if os.path.ismount(parent))


def file_system_of(path: Path) -> str:
    """The type of the file system `path` is or would be on, as /proc/self/mountinfo names it; of fuse.x: fuse."""
    return mounted_type(Path("/proc/self/mountinfo").read_text(), nearest_existing(path).resolve())


def mounted_type(mountinfo: str, path: Path) -> str:
    """The type of the mount in `mountinfo` that `path` lies in: the last one with the longest mount point."""
    best, file_system = -1, "unknown"
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].encode().decode("unicode_escape"))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, file_system = len(point.parts), after.split(" ", 1)[0].partition(".")[0]
    return file_system
