"""Where a mount may appear. Blocking: asks the file system, so not on the loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from cachefs.errors import InvalidTarget
from mows.errors import TargetNotAllowed


def resolve_target(text: str, allowed_roots: Sequence[Path]) -> Path:
    """The real path of a mount path, which need not exist yet.

    Raises InvalidTarget for a path that is relative or contains ``..``, TargetNotAllowed for one that lies, after all
    symbolic links are followed, outside every allowed root.
    """
    path = PurePosixPath(text)
    if not path.is_absolute() or "\0" in text:
        raise InvalidTarget(f"mount_path {text!r}: is not an absolute path", hint="begin it with /")
    if ".." in path.parts:
        raise InvalidTarget(f"mount_path {text!r}: contains '..'", hint="write the path without '..'")
    try:
        real = Path(path).resolve()
        roots = [root.resolve() for root in allowed_roots]
    except (OSError, RuntimeError) as error:  # RuntimeError: symbolic links that lead in a circle
        raise InvalidTarget(f"mount_path {text!r}: cannot be resolved: {error}", hint="choose another path") from error
    if not any(real.is_relative_to(root) for root in roots):
        led = "" if str(real) == str(path) else f", which leads to {real}"
        names = ", ".join(map(str, allowed_roots))
        raise TargetNotAllowed(f"mount_path {text!r}{led}: lies outside mounts.allowed_roots ({names})")
    return real
