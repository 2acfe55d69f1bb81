"""Who holds which blobs in the cache until when, as values, and their file. A blob is pinned while anybody holds it."""

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
    """`holder` wants these blobs kept until `until` (Unix time), or, with None, until it lets go."""

    holder: str
    """``prewarm:ID``, ``mount:ID`` or ``user``."""
    blob_ids: frozenset[BlobId]
    until: float | None

    def has_ended(self, now: float) -> bool:
        """Whether nothing is held any more at `now`."""
        return self.until is not None and self.until <= now


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
    earliest = min((ends.get(blob_id, 0.0) for blob_id in blob_ids), default=0.0)
    return earliest if 0.0 < earliest < math.inf else None


def save(leases: Iterable[Lease], path: Path) -> None:
    """Replace the file. Blocks on the disk; raises OSError.

    Written aside, synced, then renamed over the old one, so that a crash leaves the one or the other, never half.
    """
    rows = [{"holder": lease.holder, "blobs": sorted(lease.blob_ids), "until": lease.until} for lease in leases]
    aside = path.with_suffix(".new")
    with aside.open("w", encoding="utf-8") as file:
        json.dump({"format": FORMAT, "leases": rows}, file)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)


def load(path: Path) -> list[Lease]:
    """What `save` wrote; nothing when there is no file. Raises OSError, and ValueError for a file that is not ours."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    try:
        return _leases(json.loads(text))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a list of leases: {error!r}") from error


def _leases(document: dict[str, Any]) -> list[Lease]:
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']!r}, and this version knows {FORMAT}")
    return [
        Lease(str(row["holder"]), frozenset(map(BlobId, row["blobs"])), _moment(row["until"]))
        for row in document["leases"]
    ]


def _moment(value: object) -> float | None:
    return None if value is None else float(str(value))
