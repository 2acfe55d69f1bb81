"""The mount point: what can be mounted on, and making the directory."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import InvalidTarget

MOUNTINFO = Path("/proc/self/mountinfo")

_ESCAPE = re.compile(rb"\\([0-7]{3})")
_MOUNT_POINT_FIELD = 4


def mount_points(mountinfo: bytes) -> frozenset[bytes]:
    """Every mount point in the text of ``/proc/<pid>/mountinfo``."""
    lines = (line.split(b" ") for line in mountinfo.splitlines())
    return frozenset(_ESCAPE.sub(_unescape, fields[_MOUNT_POINT_FIELD]) for fields in lines)


def is_mounted(path: Path) -> bool:
    """Whether something is mounted on `path`. Does not touch it: a mount whose daemon hangs would hang us too."""
    return os.fsencode(_absolute(path)) in mount_points(MOUNTINFO.read_bytes())


def check_target(path: Path) -> None:
    """Raise InvalidTarget unless `path` is an empty directory without a mount, or can be made one. Changes nothing."""
    if is_mounted(path):
        raise InvalidTarget(
            f"{path}: something is mounted there already",
            hint=f"unmount it (`mows umount {path}`, or `umount -l {path}` if its daemon died), or choose another path",
        )
    try:
        entries = os.listdir(path)
    except FileNotFoundError:
        _check_creatable(path)
    except NotADirectoryError:
        raise InvalidTarget(
            f"{path}: not a directory", hint="choose a directory, or a path that does not exist"
        ) from None
    except OSError as error:
        raise InvalidTarget(f"{path}: {error.strerror}", hint="choose a directory that this user may read") from error
    else:
        if entries:
            raise InvalidTarget(
                f"{path}: the directory is not empty: {len(entries)} entries would be hidden",
                hint="choose an empty directory, or a path that does not exist",
            )


@dataclass(frozen=True, slots=True)
class Target:
    """A directory that is ready to be mounted on, and the directories that were made for it, outermost first."""

    path: Path
    created: tuple[Path, ...]

    @classmethod
    def prepare(cls, path: Path) -> Target:
        """Check `path` and make what is missing. Raises InvalidTarget."""
        check_target(path)
        path = _absolute(path)
        missing = [parent for parent in (path, *path.parents) if not parent.exists()]
        try:
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidTarget(f"{path}: cannot be created: {error.strerror}") from error
        return cls(path, tuple(reversed(missing)))

    def remove(self) -> None:
        """Remove the directories that `prepare` made, as far as they are empty."""
        for directory in reversed(self.created):
            try:
                directory.rmdir()
            except OSError:
                return


def _check_creatable(path: Path) -> None:
    parent = next(parent for parent in path.absolute().parents if os.path.lexists(parent))
    if not parent.is_dir():
        raise InvalidTarget(f"{path}: {parent} is not a directory", hint="choose a path below a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InvalidTarget(f"{path}: does not exist, and {parent} is not writable", hint=f"create it: mkdir -p {path}")


def _absolute(path: Path) -> Path:
    """Without symbolic links in the parents: what the kernel's list of mounts shows. The last part is not followed."""
    absolute = path.absolute()
    return absolute.parent.resolve() / absolute.name


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8)])
