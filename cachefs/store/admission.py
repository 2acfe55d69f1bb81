"""Whether objects fit before a byte of them is fetched, and if not, what stands in their way.

A prewarm that fills the cache up to the last model in use, and then fails, has evicted everybody else's for nothing. So
its objects are placed on paper first, in what could be freed: open, leased and pinned blobs stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cachefs.errors import InTheWay, NoSpace
from cachefs.store import placement
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.index import index_bytes
from cachefs.types import BlobId, BlobKey

MOST_NAMED = 20
"""Blobs in the way that are named, the largest first."""


@dataclass(frozen=True, slots=True)
class Need:
    """One blob that is to be in the cache as a whole."""

    blob_id: BlobId
    size_bytes: int
    """Blocks that it will occupy beyond those it has."""
    tier: int | None
    """Where it is already; None when it may go anywhere."""


def lacking_bytes(needs: Iterable[Need], rooms: Sequence[int]) -> int:
    """What is lacking to place all of `needs` in tiers with these rooms, the largest first; 0 when they fit. Pure."""
    left = list(rooms)
    lacking = 0
    for need in sorted(needs, key=lambda need: (need.tier is None, -need.size_bytes)):
        tiers = range(len(left)) if need.tier is None else (need.tier,)
        fitting = [tier for tier in tiers if need.size_bytes <= left[tier]]
        if fitting:
            left[fitting[0]] -= need.size_bytes
        else:
            lacking += need.size_bytes - max((max(0, left[tier]) for tier in tiers), default=0)
    return lacking


def needs_of(keys: Iterable[BlobKey], catalog: Catalog) -> dict[BlobId, Need]:
    """What these blobs need beyond what they have."""
    return {key.blob_id: _need(key, catalog.get(key.blob_id)) for key in keys}


def check(needs: Mapping[BlobId, Need], catalog: Catalog, rooms: Sequence[int]) -> None:
    """Raises NoSpace, naming what is in the way, when `needs` do not fit into `rooms`.

    `rooms` is what each tier has now; what can be evicted, but for the wanted blobs themselves, comes on top.
    """
    cold = [
        sum(cold.allocated_bytes for cold in catalog.candidates(tier) if cold.blob_id not in needs)
        for tier in range(len(rooms))
    ]
    lacking = lacking_bytes(needs.values(), [room + more for room, more in zip(rooms, cold, strict=True)])
    if not lacking:
        return
    ways = [_in_the_way(entry) for entry in catalog if not entry.evictable and entry.blob_id not in needs]
    wanted = sum(need.size_bytes for need in needs.values())
    raise NoSpace(
        f"{wanted} bytes are to be kept in the cache, which are {lacking} more than can be freed",
        hint="let go of what is in the way, or raise a tier's capacity" if ways else "raise a tier's capacity",
        in_the_way=sorted(ways, key=lambda way: -way.size_bytes)[:MOST_NAMED],
    )


def _need(key: BlobKey, entry: Entry | None) -> Need:
    whole_bytes = placement.blocks(key.size_bytes) + placement.footprint_bytes(index_bytes(key))
    if entry is None:
        return Need(key.blob_id, whole_bytes, None)
    return Need(key.blob_id, 0 if entry.sealed else max(0, whole_bytes - entry.allocated_bytes), entry.tier)


def _in_the_way(entry: Entry) -> InTheWay:
    held_by = (*(["open"] if entry.references else []), *sorted(entry.holders))
    return InTheWay(entry.blob_id, entry.key.uri, entry.allocated_bytes, held_by)
