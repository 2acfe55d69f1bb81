"""Which file system a path lies on, or would once it exists."""

from __future__ import annotations

import os
import re
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
    return mounted_type(os.fsdecode(Path("/proc/self/mountinfo").read_bytes()), nearest_existing(path).resolve())


def unescaped(field: str) -> str:
    r"""A field of /proc/self/mounts or mountinfo as it was: the kernel writes blanks and backslashes as ``\040``."""
    return re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), field)


def mounted_type(mountinfo: str, path: Path) -> str:
    """The type of the mount in `mountinfo` that `path` lies in: the last one with the longest mount point."""
    best, file_system = -1, "unknown"
    for line in filter(None, mountinfo.split("\n")):
        before, _, after = line.partition(" - ")
        point = Path(unescaped(before.split(" ")[4]))
        if path.is_relative_to(point) and len(point.parts) >= best:
            best, file_system = len(point.parts), after.split(" ", 1)[0].partition(".")[0]
    return file_system
