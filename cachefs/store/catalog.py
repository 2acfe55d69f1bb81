"""Which blobs there are, who uses them, and how much room they take: the one owner of these counts.

No I/O and no lock: the store calls it under its own lock. Per tier, at every moment::

    used     = what the blobs of the tier occupy + what condemned blobs occupy until they are unlinked (leaving)
    reserved = what has been promised to creations and chunk writes that are going on

and the store hands out a reservation only where used + reserved stays within the cap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cachefs.store.blob import Blob
from cachefs.store.meta import Meta
from cachefs.store.placement import Candidate
from cachefs.types import BlobId, BlobKey


@dataclass(slots=True)
class Entry:
    """One blob."""

    meta: Meta
    tier: int
    allocated_bytes: int
    last_used: float
    resident_bytes: int = 0
    """When it was last closed; an open one is asked itself."""
    sealed: bool = False
    """As `resident_bytes`."""
    references: int = 0
    taken: int = 0
    """How often it got a reference: who copies it without one sees that it was in use meanwhile."""
    writers: int = 0
    holders: set[str] = field(default_factory=set)
    """Who pinned it. Changed by the catalog only."""
    blob: Blob | None = None
    """Open while there are references."""
    leaving_bytes: int = 0
    """Blocks of chunks that are being given up: still counted as used, whether or not they are free already."""
    beside_bytes: int | None = None
    """Blocks of its directory that are not data; None while nobody asked."""
    orphaned: bool = False
    """Open in a directory that is not the tier's any more: to be forgotten at the last release."""

    @property
    def key(self) -> BlobKey:
        """The blob's key."""
        return self.meta.key

    @property
    def blob_id(self) -> BlobId:
        """The blob's id."""
        return self.meta.key.blob_id

    @property
    def complete(self) -> bool:
        """Whether all of it is here."""
        return self.blob.sealed if self.blob else self.sealed

    @property
    def evictable(self) -> bool:
        """Neither in use nor pinned."""
        return not self.references and not self.holders

    def note(self, blob: Blob) -> None:
        """Keep what the open blob says of itself."""
        self.meta, self.resident_bytes, self.sealed = blob.meta, blob.resident_bytes, blob.sealed


@dataclass(slots=True)
class Account:
    """The bytes of one tier."""

    used: int = 0
    reserved: int = 0
    leaving: int = 0


def unknown_copies(_: BlobId) -> int:
    """Nobody knows how many other nodes have a blob."""
    return 0


class Catalog:
    """All blobs of all tiers."""

    def __init__(self, tiers: int, copies: Callable[[BlobId], int] = unknown_copies) -> None:
        self._copies = copies
        self.accounts = tuple(Account() for _ in range(tiers))
        self._entries: dict[BlobId, Entry] = {}
        self._pins: dict[BlobId, set[str]] = {}
        """Who pinned which blob. Outlives its entry: a blob whose tier comes back is protected from then on."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def close(self) -> None:
        """Forget all blobs and bytes."""
        self._entries.clear()
        self._pins.clear()
        for account in self.accounts:
            account.used = account.reserved = account.leaving = 0

    def get(self, blob_id: BlobId) -> Entry | None:
        """The entry, if the blob is in the cache."""
        return self._entries.get(blob_id)

    def add(self, entry: Entry) -> None:
        """A blob appeared, perhaps once more; its blocks count as used, and its pins hold."""
        entry.holders = self._pins.get(entry.blob_id, entry.holders)
        self._entries[entry.blob_id] = entry
        self.accounts[entry.tier].used += entry.allocated_bytes

    def pin(self, entry: Entry, holder: str) -> None:
        """Keep the blob from eviction, and whatever takes its place in the cache."""
        entry.holders.add(holder)
        self._pins[entry.blob_id] = entry.holders

    def unpin(self, blob_id: BlobId, holder: str) -> None:
        """Undo `pin`, whether the blob is in the cache now or not."""
        if holders := self._pins.get(blob_id):
            holders.discard(holder)
            if not holders:
                del self._pins[blob_id]

    def reserve(self, tier: int, need_bytes: int) -> None:
        """Promise room."""
        self.accounts[tier].reserved += need_bytes

    def unreserve(self, tier: int, need_bytes: int) -> None:
        """Take a promise back."""
        self.accounts[tier].reserved -= need_bytes

    def settle(self, entry: Entry, reserved_bytes: int, measured_bytes: int | None) -> None:
        """A write ended: its reservation becomes what the blob has been measured to occupy (None: cannot be measured).

        While others still write to the blob, the measure holds blocks of theirs that are reserved too; so the blob
        grows by at most this writer's reservation until the last of them ends.
        """
        self.unreserve(entry.tier, reserved_bytes)
        at_most = entry.allocated_bytes + reserved_bytes
        if measured_bytes is None:
            measured_bytes = at_most
        else:
            measured_bytes += entry.leaving_bytes
            measured_bytes = min(measured_bytes, at_most) if entry.writers else measured_bytes
        self._count(entry, measured_bytes)

    def gave_up(self, entry: Entry, planned_bytes: int, freed_bytes: int, measured_bytes: int | None) -> None:
        """A chunk that was counted as leaving with `planned_bytes` is gone, and has freed `freed_bytes`."""
        entry.leaving_bytes -= planned_bytes
        exact = measured_bytes is not None and not entry.writers and not entry.leaving_bytes
        left_bytes = entry.allocated_bytes - min(freed_bytes, planned_bytes, entry.allocated_bytes)
        self._count(entry, measured_bytes if exact and measured_bytes is not None else left_bytes)

    def _count(self, entry: Entry, measured_bytes: int) -> None:
        self.accounts[entry.tier].used += measured_bytes - entry.allocated_bytes
        entry.allocated_bytes = measured_bytes

    def condemn(self, entry: Entry) -> None:
        """The blob is no longer found, but its blocks are used until `departed`."""
        del self._entries[entry.blob_id]
        self.accounts[entry.tier].leaving += entry.allocated_bytes

    def departed(self, entry: Entry, *, freed: bool) -> None:
        """The unlinking ended; where it failed, the blocks stay used."""
        account = self.accounts[entry.tier]
        account.leaving -= entry.allocated_bytes
        if freed:
            account.used -= entry.allocated_bytes

    def forget(self, entry: Entry) -> None:
        """The blob is no longer found, and its blocks are not the tier's any more."""
        self.condemn(entry)
        self.departed(entry, freed=True)

    def candidates(self, tier: int) -> list[Candidate]:
        """What may be evicted from a tier."""
        return [
            Candidate(entry.blob_id, entry.allocated_bytes, entry.last_used, self._copies(entry.blob_id))
            for entry in self._entries.values()
            if entry.tier == tier and entry.evictable
        ]

    def wanted_bytes(self, tier: int) -> int:
        """What blobs in use will still grow by if they are read to the end."""
        return sum(
            max(0, entry.key.size_bytes - entry.allocated_bytes)
            for entry in self._entries.values()
            if entry.tier == tier and entry.references
        )
