"""How full the tier is, sampled while the readers run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node.sampling import sampled

INTERVAL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Fullness:
    """What was seen at one look."""

    allocated_bytes: int
    """Blocks of all blob directories and the files in them, as the store counts them. They are looked at one after the
    other, so that a chunk that goes from one to another meanwhile may be counted twice."""
    df_bytes: int
    """What the file system has less than at the start; 0 where others write to it too."""


def sampling(tier: Path, *, alone: bool) -> AbstractContextManager[list[Fullness]]:
    """Look while it is entered. `alone`: nobody else writes to the tier's file system."""
    free_at_start = _free_bytes(tier)

    def look() -> Fullness:
        return Fullness(allocated_bytes(tier), free_at_start - _free_bytes(tier) if alone else 0)

    return sampled(look, INTERVAL_SECONDS)


def fullest(samples: Sequence[Fullness]) -> Fullness:
    """The most of both. Pure."""
    return Fullness(max(one.allocated_bytes for one in samples), max(one.df_bytes for one in samples))


def allocated_bytes(tier: Path) -> int:
    """As du counts: blobs that come and go meanwhile are counted if they are there."""
    total = 0
    for directory in (tier / "blobs").glob("*/*"):
        for path in (directory, directory / "data", directory / "index", directory / "meta.json"):
            try:
                total += path.lstat().st_blocks * 512
            except OSError:
                continue
    return total


def _free_bytes(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_bfree * space.f_frsize
