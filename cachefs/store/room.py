"""Making room: the cap and the free-space floor of every tier, and the eviction of cold blobs, then of cold chunks.

A condemned blob leaves the layout by a rename, under the store's lock; it is unlinked outside the lock, since that can
take a second and an open(2) of somebody else must not wait for it; its blocks count as used until the unlinking ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import NoSpace, StoreError, TierUnavailable
from cachefs.store import placement
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.counters import Counters, Event
from cachefs.store.oscalls import Step
from cachefs.store.placement import TierRoom
from cachefs.store.shedding import Shedding
from cachefs.store.tier import Tier
from cachefs.types import BlobId

log = logging.getLogger(__name__)

DEPARTURE_SECONDS = 30.0
"""The longest wait for one more evicted blob to be unlinked. ext4 takes a second for 140 GB; who needs this hangs."""


@dataclass(frozen=True, slots=True)
class Condemned:
    """A blob that nobody finds any more."""

    entry: Entry
    directory: Path | None
    """What is to be unlinked; None when it has vanished."""


class Room:
    """The room of all tiers. Shares the store's lock, which guards the catalog."""

    def __init__(
        self, lock: threading.Lock, catalog: Catalog, tiers: Sequence[Tier], counters: Counters, shedding: Shedding
    ) -> None:
        self._lock = lock
        self._departure = threading.Condition(lock)  # a condemned blob was unlinked
        self._catalog = catalog
        self._tiers = tiers
        self._counters = counters
        self._shedding = shedding

    def overview(self) -> list[TierRoom]:
        """What each tier could take, for `placement.preference`."""
        with self._lock:
            return [self._tier_room(number) for number in range(len(self._tiers))]

    def headroom(self, number: int) -> int:
        """Bytes that may be reserved now; negative when it is too full. The lock is held. Raises TierUnavailable."""
        tier, account = self._tiers[number], self._catalog.accounts[number]
        reserved_on_device = sum(
            other_account.reserved
            for other, other_account in zip(self._tiers, self._catalog.accounts, strict=True)
            if other.device == tier.device
        )
        return placement.headroom(tier.settings, account.used + account.reserved, tier.free_bytes(), reserved_on_device)

    def reserve(self, number: int, need_bytes: int) -> None:
        """Reserve room in a tier, evicting cold blobs where that helps, and then chunks of those in use.

        Waits for unlinking, never for users of blobs. Ends: each round frees something, or raises.

        Raises NoSpace, or TierUnavailable when the tier does not say how full it is or refuses to let blobs go.
        """
        while True:
            with self._lock:
                short_bytes = need_bytes - self.headroom(number) if need_bytes else 0
                if short_bytes <= 0:
                    self._catalog.reserve(number, need_bytes)
                    return
                leaving_bytes = self._catalog.accounts[number].leaving
                if leaving_bytes >= short_bytes:
                    if not self._departure.wait(DEPARTURE_SECONDS):
                        raise TierUnavailable(f"{self._tiers[number].path}: unlinking takes over {DEPARTURE_SECONDS} s")
                    continue
                short_bytes -= leaving_bytes
                doomed = self._condemn_coldest(number, short_bytes)
                short_bytes -= sum(condemned.entry.allocated_bytes for condemned in doomed)
                held = self._shedding.hold(number) if short_bytes > 0 else []
            self.destroy(doomed)
            if held and not self._shedding.free(held, short_bytes) and not doomed:
                raise self._no_space(number, short_bytes)

    def reserve_over_colder(self, number: int, need_bytes: int, last_used: float) -> bool:
        """As `reserve`, if for that only cold blobs have to go that were used before `last_used`; else False.

        Waits for nobody else's unlinking: what is False now may be True a moment later.
        """
        while not self._tiers[number].health.trouble:
            with self._lock:
                short_bytes = need_bytes - self.headroom(number)
                if short_bytes <= 0:
                    self._catalog.reserve(number, need_bytes)
                    return True
                colder = [cold for cold in self._catalog.candidates(number) if cold.last_used < last_used]
                if sum(cold.allocated_bytes for cold in colder) < short_bytes:
                    return False
                doomed = self._condemn_all(placement.choose_victims(colder, short_bytes))
            self.destroy(doomed)
        return False

    def condemn(self, entry: Entry) -> Condemned:
        """Take a blob out of the layout and the catalog. The lock is held. Raises TierUnavailable."""
        tier = self._tiers[entry.tier]
        try:
            directory = tier.condemn(entry.blob_id)
        except FileNotFoundError:
            directory = None
        except OSError as error:
            raise tier.fault(Step.CONDEMN, error) from error
        self._catalog.condemn(entry)
        return Condemned(entry, directory)

    def evict(self, entry: Entry) -> Condemned:
        """As `condemn`, for a blob without fault."""
        condemned = self.condemn(entry)
        self._counters.add(Event.EVICTIONS)
        self._counters.add(Event.EVICTED_BYTES, entry.allocated_bytes)
        path = self._tiers[entry.tier].path
        log.info("blob %s in %s: evicted, %d bytes of %s", entry.blob_id, path, entry.allocated_bytes, entry.key.uri)
        return condemned

    def drop(self, entry: Entry, reason: str) -> Condemned:
        """As `condemn`, for a blob that is damaged: a miss, which is counted and said."""
        self.report_drop(self._tiers[entry.tier], entry.blob_id, reason)
        return self.condemn(entry)

    def destroy(self, doomed: Sequence[Condemned]) -> None:
        """Unlink. The lock is not held. Where that fails, the blocks stay counted until the next start."""
        for condemned in doomed:
            tier = self._tiers[condemned.entry.tier]
            freed = condemned.directory is None or tier.unlink(condemned.directory)
            with self._lock:
                self._catalog.departed(condemned.entry, freed=freed)
                self._departure.notify_all()

    def report_drop(self, tier: Tier, blob_id: BlobId, reason: str) -> None:
        """A damaged blob becomes a miss: count and say it."""
        self._counters.add(Event.DROPPED_BLOBS)
        log.warning("blob %s in %s: dropped: %s", blob_id, tier.path, reason)

    def discard(self, tier: Tier, blob_id: BlobId, reason: str) -> None:
        """Drop a blob that never came into the catalog."""
        self.report_drop(tier, blob_id, reason)
        try:
            directory = tier.condemn(blob_id)
        except OSError as error:
            tier.fault(Step.CONDEMN, error)
        else:
            tier.unlink(directory)

    def _condemn_coldest(self, number: int, short_bytes: int) -> list[Condemned]:
        """Raises NoSpace when not even all chunks that nobody reads would do: then nothing is given up."""
        candidates = self._catalog.candidates(number)
        cold_bytes = sum(candidate.allocated_bytes for candidate in candidates)
        if cold_bytes < short_bytes and cold_bytes + self._shedding.idle_bytes(number) < short_bytes:
            raise self._no_space(number, short_bytes)
        return self._condemn_all(placement.choose_victims(candidates, short_bytes))

    def _condemn_all(self, victims: Sequence[BlobId]) -> list[Condemned]:
        doomed: list[Condemned] = []
        for blob_id in victims:
            try:
                doomed.append(self.evict(self._entry(blob_id)))
            except StoreError:
                if not doomed:
                    raise
                break  # those that did go are unlinked first; the next round meets the failure again
        return doomed

    def _no_space(self, number: int, short_bytes: int) -> NoSpace:
        self._counters.add(Event.NO_SPACE)
        path = self._tiers[number].path
        return NoSpace(f"{path}: {short_bytes} bytes are lacking, and all that is here is in use or pinned")

    def _entry(self, blob_id: BlobId) -> Entry:
        entry = self._catalog.get(blob_id)
        if entry is None:
            raise KeyError(blob_id)
        return entry

    def _tier_room(self, number: int) -> TierRoom:
        capacity_bytes = self._tiers[number].settings.capacity_bytes
        last = TierRoom(capacity_bytes, room_bytes=-capacity_bytes, evictable_bytes=0)
        if self._tiers[number].health.trouble:
            return last
        try:
            headroom_bytes = self.headroom(number) + self._catalog.accounts[number].leaving
        except TierUnavailable:
            return last
        return TierRoom(
            capacity_bytes,
            now_bytes=headroom_bytes,
            room_bytes=headroom_bytes - self._catalog.wanted_bytes(number),
            evictable_bytes=sum(candidate.allocated_bytes for candidate in self._catalog.candidates(number)),
        )
