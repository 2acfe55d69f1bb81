"""Whether a mount made here shows elsewhere. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

_MOUNT_POINT, _FIRST_OPTION = 4, 6


def is_shared(mountinfo: str, path: Path) -> bool:
    """Whether mounts below `path` reach the peers of the mount that it lies in.

    `mountinfo` is the text of ``/proc/self/mountinfo``. A path that lies nowhere is not shared.
    """
    around = [
        (len(point.parts), order, options)
        for order, (point, options) in enumerate(_mounts(mountinfo))
        if path.is_relative_to(point)
    ]
    if not around:
        return False
    *_, options = max(around)  # the deepest, and of several on one directory the last, which hides the others
    return any(option.startswith("shared:") for option in options)


def _mounts(mountinfo: str) -> Iterator[tuple[Path, list[str]]]:
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        yield Path(fields[_MOUNT_POINT]), fields[_FIRST_OPTION : fields.index("-")]
