"""Who holds which blobs in the cache until when, as values, and their file. A blob is pinned while anybody holds it.

A running daemon counts a lease by the monotonic clock, so that no jump of the wall clock drops it or makes it longer.
Only in the file, which is for the next daemon, its end is wall time; and what is read back is never longer than the
lease was given for.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachefs.types import BlobId

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """`holder` wants these blobs kept for `seconds`, until `until` (monotonic), or, with None, until it lets go."""

    holder: str
    """``prewarm:ID``, ``mount:ID`` or ``user``."""
    blob_ids: frozenset[BlobId]
    until: float | None
    seconds: float | None = None
    """What it was given for."""

    def has_ended(self, now: float) -> bool:
        """Whether nothing is held any more at `now` (monotonic)."""
        return self.until is not None and self.until <= now


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment on both clocks, in seconds."""

    monotonic: float
    wall: float
    """Unix time."""

    def on_wall(self, monotonic: float) -> float:
        """The Unix time of another moment, as far as the wall clock is right now."""
        return monotonic - self.monotonic + self.wall


def held_until(leases: Iterable[Lease]) -> dict[BlobId, float]:
    """Every held blob, and the moment its last lease ends; infinity when one has no end."""
    ends: dict[BlobId, float] = {}
    for lease in leases:
        end = math.inf if lease.until is None else lease.until
        for blob_id in lease.blob_ids:
            ends[blob_id] = max(end, ends.get(blob_id, end))
    return ends


def all_held_until(blob_ids: Iterable[BlobId], ends: Mapping[BlobId, float]) -> float | None:
    """The moment until which every one of these blobs is held; None when one is not, or when there is no end."""
    earliest = min((ends.get(blob_id, -math.inf) for blob_id in blob_ids), default=-math.inf)
    return earliest if math.isfinite(earliest) else None


def save(leases: Iterable[Lease], path: Path, now: Moment) -> None:
    """Replace the file. Blocks on the disk; raises OSError.

    Written aside, synced, then renamed over the old one, so that a crash leaves the one or the other, never half.
    """
    rows = [_row(lease, now) for lease in leases]
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "leases": rows}, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load(path: Path, now: Moment) -> list[Lease]:
    """What `save` wrote; nothing when there is no file. Raises OSError, and ValueError for a file that is not ours.

    A lease that ended meanwhile is there, too.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        return _leases(json.loads(text), now)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of leases: {error!r}") from error


def _row(lease: Lease, now: Moment) -> dict[str, Any]:
    until = None if lease.until is None else now.on_wall(lease.until)
    return {"holder": lease.holder, "blobs": sorted(lease.blob_ids), "until": until, "seconds": lease.seconds}


def _leases(document: dict[str, Any], now: Moment) -> list[Lease]:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r}, and this version knows {FORMAT}")
    return [_lease(row, now) for row in document["leases"]]


def _lease(row: dict[str, Any], now: Moment) -> Lease:
    until, seconds = _number(row["until"]), _number(row.get("seconds"))
    if until is not None:
        left = until - now.wall
        until = now.monotonic + (left if seconds is None else min(left, seconds))
    return Lease(str(row["holder"]), frozenset(map(BlobId, row["blobs"])), until, seconds)


def _number(value: object) -> float | None:
    return None if value is None else float(str(value))
