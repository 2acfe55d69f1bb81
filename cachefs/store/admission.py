"""Whether objects fit before a byte of them is fetched, and if not, what stands in their way.

A prewarm that fills the cache up to the last model in use, and then fails, has evicted everybody else's for nothing. So
its objects are placed on paper first, in what could be freed: open, leased and pinned blobs stay. What was admitted has
not come yet, so its room is kept on paper, too, until its warm-up has ended: two that begin at the same moment would
otherwise both be told that they fit, and starve each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

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


@dataclass(frozen=True, slots=True)
class Plan:
    """What fits where, on paper."""

    rooms: tuple[int, ...]
    """What each tier has left."""
    lacking_bytes: int
    """0 when everything fits."""


def place(needs: Iterable[Need], rooms: Sequence[int]) -> Plan:
    """Place all of `needs` in tiers with these rooms, the largest first. What does not fit takes no room. Pure."""
    left = list(rooms)
    lacking = 0
    for need in sorted(needs, key=lambda need: (need.tier is None, -need.size_bytes)):
        tiers = range(len(left)) if need.tier is None else (need.tier,)
        fitting = [tier for tier in tiers if need.size_bytes <= left[tier]]
        if fitting:
            left[fitting[0]] -= need.size_bytes
        else:
            lacking += need.size_bytes - max((max(0, left[tier]) for tier in tiers), default=0)
    return Plan(tuple(left), lacking)


class Admissions:
    """Who was promised room for what. Reads the catalog; shares its lock."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._promised: dict[str, dict[BlobId, BlobKey]] = {}

    def admit(self, holder: str, keys: Iterable[BlobKey], rooms: Sequence[int]) -> None:
        """Promise room for these blobs to `holder`, in place of what it was promised before, until `dismiss`.

        `rooms` is what each tier has now; what can be evicted comes on top. Who was admitted before is placed before.
        Raises NoSpace, naming what is in the way.
        """
        wanted = {key.blob_id: key for key in keys}
        others = dict(chain.from_iterable(keys.items() for by, keys in self._promised.items() if by != holder))
        before = place(self._needs(others), self._obtainable(rooms, wanted.keys() | others.keys()))
        needs = self._needs({blob_id: key for blob_id, key in wanted.items() if blob_id not in others})
        if lacking := place(needs, before.rooms).lacking_bytes:
            raise self._refusal(sum(need.size_bytes for need in needs), lacking, wanted, others)
        self._promised[holder] = wanted

    def dismiss(self, holder: str) -> None:
        """Its warm-up has ended: what came counts as any other blob. Idempotent."""
        self._promised.pop(holder, None)

    def _needs(self, keys: Mapping[BlobId, BlobKey]) -> list[Need]:
        return [_need(key, self._catalog.get(blob_id)) for blob_id, key in keys.items()]

    def _obtainable(self, rooms: Sequence[int], but: Collection[BlobId]) -> list[int]:
        """What each tier has, with what can be evicted from it."""
        return [
            room + sum(cold.allocated_bytes for cold in self._catalog.candidates(tier) if cold.blob_id not in but)
            for tier, room in enumerate(rooms)
        ]

    def _refusal(
        self, wanted_bytes: int, lacking: int, wanted: Mapping[BlobId, BlobKey], others: Mapping[BlobId, BlobKey]
    ) -> NoSpace:
        kept = {entry.blob_id: entry.key for entry in self._catalog if not entry.evictable}
        ways = [self._in_the_way(key) for blob_id, key in (kept | dict(others)).items() if blob_id not in wanted]
        return NoSpace(
            f"{wanted_bytes} bytes are to be kept in the cache, which are {lacking} more than can be freed",
            hint="let go of what is in the way, or raise a tier's capacity" if ways else "raise a tier's capacity",
            in_the_way=sorted(ways, key=lambda way: -way.size_bytes)[:MOST_NAMED],
        )

    def _in_the_way(self, key: BlobKey) -> InTheWay:
        entry = self._catalog.get(key.blob_id)
        warming = {holder for holder, keys in self._promised.items() if key.blob_id in keys}
        held_by = (
            *(["open"] if entry and entry.references else []),
            *sorted(warming | (entry.holders if entry else set())),
        )
        size_bytes = _whole_bytes(key) if warming or not entry else entry.allocated_bytes
        return InTheWay(key.blob_id, key.uri, size_bytes, held_by)


def _whole_bytes(key: BlobKey) -> int:
    return placement.blocks(key.size_bytes) + placement.footprint_bytes(index_bytes(key))


def _need(key: BlobKey, entry: Entry | None) -> Need:
    if entry is None:
        return Need(key.blob_id, _whole_bytes(key), None)
    return Need(key.blob_id, 0 if entry.sealed else max(0, _whole_bytes(key) - entry.allocated_bytes), entry.tier)
