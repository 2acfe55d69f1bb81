"""A memory tier on a file system of its own, so that it can vanish as a tmpfs does that somebody unmounts."""

from __future__ import annotations

import subprocess
from pathlib import Path

from benchmarks.node.scratch import detach


class MemoryTier:
    """One node's. `path` is the tier's directory; it lies in a tmpfs of `size_bytes` while that is there."""

    def __init__(self, mount_point: Path, size_bytes: int) -> None:
        self._mount_point = mount_point
        self._size_bytes = size_bytes
        self.path = mount_point / "tier"

    def appear(self) -> None:
        """Mount a new file system, which is empty. CalledProcessError when it cannot be had."""
        self._mount_point.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size_bytes}", "tmpfs", str(self._mount_point)]
        subprocess.run(command, check=True)

    def vanish(self) -> None:
        """Unmount it. What is open in it stays open; nobody finds it any more. Idempotent."""
        if self._mount_point.is_mount():
            detach(self._mount_point)
