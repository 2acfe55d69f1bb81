"""Which directories may be tiers, and taking one for this process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence
from pathlib import Path

from cachefs.errors import InvalidTier
from cachefs.store import layout
from cachefs.store.values import TierSettings


def check_apart(paths: Sequence[Path]) -> None:
    """No tier may be another or lie inside it, since each counts its own blocks. Raises InvalidTier."""
    resolved = [path.resolve() for path in paths]
    for number, path in enumerate(resolved):
        for other in resolved[:number]:
            if path.is_relative_to(other) or other.is_relative_to(path):
                raise InvalidTier(
                    f"{path}: overlaps with another tier, {other}", hint="give each tier a directory of its own"
                )


def claim(settings: TierSettings) -> int:
    """Make the directory a tier and lock it; returns the descriptor that holds the lock.

    Raises InvalidTier for a path, a capacity or a neighbour that makes it unusable; FormatTooNew.
    """
    path = settings.path
    _check_numbers(settings)
    try:
        layout.prepare(path)
        status = os.statvfs(path)
        _check_size(settings, status.f_blocks * status.f_frsize)
        lock_fd = os.open(path / layout.FORMAT_NAME, os.O_RDONLY | os.O_CLOEXEC)  # else no remount,ro
    except OSError as error:
        raise InvalidTier(
            f"{path}: cannot be used as a tier: {error.strerror or error}",
            hint="name a directory that this process may create and write to",
        ) from error
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock_fd)
        raise InvalidTier(
            f"{path}: in use by another process", hint="stop the other daemon, or give each a directory of its own"
        ) from error
    return lock_fd


def _check_numbers(settings: TierSettings) -> None:
    if settings.capacity_bytes <= 0 or settings.min_free_bytes < 0:
        raise InvalidTier(
            f"{settings.path}: no tier has capacity {settings.capacity_bytes} and min_free {settings.min_free_bytes}",
            hint="give the tier a capacity above 0 and a min_free of 0 or more",
        )


def _check_size(settings: TierSettings, file_system_bytes: int) -> None:
    if settings.capacity_bytes + settings.min_free_bytes > file_system_bytes:
        raise InvalidTier(
            f"{settings.path}: capacity {settings.capacity_bytes} plus min_free {settings.min_free_bytes} bytes are "
            f"more than its file system of {file_system_bytes} bytes",
            hint="lower the tier's capacity, or put it on a larger file system",
        )
