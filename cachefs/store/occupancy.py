"""What files occupy: their blocks, since a sparse file has fewer than bytes, and a directory has some too."""

from __future__ import annotations

import os
from pathlib import Path

_STAT_BLOCK_BYTES = 512
"""The unit of `st_blocks`, on every file system."""


def occupied_bytes(status: os.stat_result) -> int:
    """Blocks of one file."""
    return _STAT_BLOCK_BYTES * status.st_blocks


def directory_bytes(directory: Path, *, but: str = "") -> int:
    """Blocks of a directory and of every file in it, without the one named `but`. Raises OSError."""
    files = (entry for entry in os.scandir(directory) if entry.name != but)
    return occupied_bytes(os.stat(directory)) + sum(occupied_bytes(file.stat(follow_symlinks=False)) for file in files)
