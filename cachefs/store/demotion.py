"""Moving cold blobs from an earlier tier to a later one, so that new bytes find room in memory and wait for no disk.

What eviction would drop next is copied down while nobody is in need, and leaves the earlier tier once all of it is in
the later one. Who needs room meanwhile does not wait for that: eviction goes on as if there were no copy. The copy of a
blob that is opened or evicted meanwhile is dropped.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cachefs.errors import CorruptBlob, StoreError
from cachefs.store import placement
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.counters import Counters, Event
from cachefs.store.index import Index, index_bytes
from cachefs.store.layout import BlobPaths
from cachefs.store.moving import Original, copy_blob
from cachefs.store.occupancy import directory_bytes
from cachefs.store.openings import Openings
from cachefs.store.oscalls import Calls, Step
from cachefs.store.room import Condemned, Room
from cachefs.store.tier import Tier

log = logging.getLogger(__name__)

ROOM_SHARE = 4
"""A tier keeps a quarter of its capacity free while a later one has room: the next model's first files land in memory
at once, and the rest still holds what was used last at the speed of memory."""

MOST_TRIED = 8
"""Of the coldest blobs, how many are looked for a place for: each costs a look at all blobs of the later tiers."""


@dataclass(frozen=True, slots=True)
class Move:
    """One blob on its way down."""

    entry: Entry
    taken: int
    """`Entry.taken` when it was chosen."""
    target: int
    need_bytes: int
    """Reserved in the target."""


class Demotion:
    """Part of one store, and shares its lock, which guards the catalog. `step` is called by one thread at a time."""

    def __init__(
        self,
        lock: threading.Lock,
        catalog: Catalog,
        tiers: Sequence[Tier],
        room: Room,
        openings: Openings,
        calls: Calls,
        counters: Counters,
    ) -> None:
        self._lock = lock
        self._catalog = catalog
        self._tiers = tiers
        self._room = room
        self._openings = openings
        self._calls = calls
        self._counters = counters

    def step(self, go_on: Callable[[], bool]) -> bool:
        """See `Store.demote`."""
        try:
            move = self._next()
            return move is not None and self._carry_out(move, go_on)
        except StoreError as error:  # counted where it happened
            log.info("no blob is moved to a later tier now: %s", error)
            return False

    def _next(self) -> Move | None:
        """The coldest blob that has to go and for which there is a place, with the room reserved."""
        for number in range(len(self._tiers) - 1):
            for entry, taken in self._leaving(number):
                need_bytes = placement.blocks(entry.key.size_bytes)
                need_bytes += placement.footprint_bytes(index_bytes(entry.key))
                for target in range(number + 1, len(self._tiers)):
                    if self._reserve(entry, target, need_bytes):
                        return Move(entry, taken, target, need_bytes)
        return None

    def _leaving(self, number: int) -> list[tuple[Entry, int]]:
        """What may leave a tier that has little room, the coldest first, and how often it was in use.

        More than enough, since the coldest may find no place. Complete blobs only: the rest is not worth a copy.
        """
        tier = self._tiers[number]
        if tier.health.trouble:
            return []
        with self._lock:
            headroom_bytes = self._room.headroom(number) + self._catalog.accounts[number].leaving
            short_bytes = tier.settings.capacity_bytes // ROOM_SHARE - headroom_bytes
            if short_bytes <= 0:
                return []
            complete = {entry.blob_id: entry for entry in self._catalog if entry.sealed}
            cold = [candidate for candidate in self._catalog.candidates(number) if candidate.blob_id in complete]
            order = placement.choose_victims(cold, sum(candidate.allocated_bytes for candidate in cold))
            return [(complete[blob_id], complete[blob_id].taken) for blob_id in order[:MOST_TRIED]]

    def _reserve(self, entry: Entry, target: int, need_bytes: int) -> bool:
        if self._tiers[target].paths(entry.blob_id).directory.exists():  # set aside; the next look sees to it
            return False
        return self._room.reserve_over_colder(target, need_bytes, entry.last_used)

    def _carry_out(self, move: Move, go_on: Callable[[], bool]) -> bool:
        entry, target = move.entry, self._tiers[move.target]
        source = self._tiers[entry.tier].paths(entry.blob_id)
        try:
            index = self._index(move)
            if index is None:
                return False
            copy = copy_blob(
                self._calls,
                Original(source, entry.meta, index, entry.last_used),
                target,
                lambda: go_on() and self._unused(move),
            )
            return copy is not None and self._swap(move, copy)
        finally:
            with self._lock:
                self._catalog.unreserve(move.target, move.need_bytes)

    def _index(self, move: Move) -> Index | None:
        """What the source's index says. None: the source is damaged, and dropped, or gone."""
        try:
            files, index = self._openings.open_files(move.entry)
        except CorruptBlob as error:
            with self._lock:
                dropped = [self._room.drop(move.entry, str(error))] if self._unused(move) else []
            self._room.destroy(dropped)
            return None
        files.close()
        return index

    def _swap(self, move: Move, copy: BlobPaths) -> bool:
        target = self._tiers[move.target]
        try:
            allocated_bytes = self._calls(Step.DATA_MEASURE, directory_bytes, copy.directory)
            with self._lock:
                if moved := self._unused(move):
                    target.place(copy, move.entry.blob_id)
                    condemned = self._replace(move, allocated_bytes)
        except OSError as error:
            target.unlink(copy.directory)
            raise target.fault(Step.PLACE, error) from error
        if not moved:
            target.unlink(copy.directory)
            return False
        self._room.destroy([condemned])
        return True

    def _replace(self, move: Move, allocated_bytes: int) -> Condemned:
        """Both are in place now; the lock is held. Raises TierUnavailable, and then the later one is gone."""
        entry, target = move.entry, self._tiers[move.target]
        try:
            condemned = self._room.condemn(entry)
        except StoreError as error:
            self._room.discard(target, entry.blob_id, f"the original cannot be removed: {error}")
            raise
        self._catalog.add(replace(entry, tier=move.target, allocated_bytes=allocated_bytes, beside_bytes=None))
        self._counters.add(Event.DEMOTIONS)
        self._counters.add(Event.DEMOTED_BYTES, entry.allocated_bytes)
        log.info("blob %s: moved to %s, %d bytes of %s", entry.blob_id, target.path, allocated_bytes, entry.key.uri)
        return condemned

    def _unused(self, move: Move) -> bool:
        """Whether nobody opened or evicted it since. Holds only as long as the lock is held."""
        return self._catalog.get(move.entry.blob_id) is move.entry and move.entry.taken == move.taken
