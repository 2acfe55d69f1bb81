"""How full the tier is, sampled on a thread while the readers run."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

INTERVAL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Fullest:
    """The most that was seen, and how often somebody looked."""

    allocated_bytes: int = 0
    """Blocks of all blob directories and the files in them, as the store counts them. They are looked at one after the
    other, so that a chunk that goes from one to another meanwhile may be counted twice."""
    df_bytes: int = 0
    """What the file system has less than at the start; 0 where others write to it too."""
    samples: int = 0


class Sampling:
    """Looks while it is entered."""

    def __init__(self, tier: Path, *, alone: bool) -> None:
        """`alone`: nobody else writes to the tier's file system."""
        self._tier = tier
        self._alone = alone
        self._free_at_start = _free_bytes(tier)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="thrash-sampling")
        self.fullest = Fullest()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_SECONDS):
            gone_bytes = self._free_at_start - _free_bytes(self._tier) if self._alone else 0
            self.fullest = Fullest(
                max(self.fullest.allocated_bytes, allocated_bytes(self._tier)),
                max(self.fullest.df_bytes, gone_bytes),
                self.fullest.samples + 1,
            )


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
