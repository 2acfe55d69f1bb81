"""The store: blobs by id, in the first tier that has room for them.

This module orders the steps of finding and creating a blob, and is what others see of the store. Who uses a blob is in
`openings`, what an earlier run left in `taking_up`, how room is made in `room`, and ahead of time in `demotion`. What
is decided on is in `placement`, what is counted in `catalog`, what is done to files in `tier`, `moving` and `blob`.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from cachefs.errors import CorruptBlob, NoSpace, StoreError, TierUnavailable
from cachefs.store import placement
from cachefs.store.admission import Admissions
from cachefs.store.blob import Blob
from cachefs.store.catalog import Catalog, Entry, unknown_copies
from cachefs.store.claim import check_apart
from cachefs.store.counters import Counters
from cachefs.store.demotion import Demotion
from cachefs.store.index import index_bytes
from cachefs.store.meta import Meta, read_boot_id
from cachefs.store.openings import Openings, measure
from cachefs.store.oscalls import Calls, Step
from cachefs.store.report import blob_status, tier_statistics
from cachefs.store.room import Room
from cachefs.store.shedding import Shedding
from cachefs.store.taking_up import TakingUp
from cachefs.store.tier import Tier
from cachefs.store.values import BlobStatus, StoreStatistics, TierSettings
from cachefs.store.watch import Prepare, TierWatch, mount_nothing
from cachefs.types import BlobId, BlobKey, ObjectInfo

log = logging.getLogger(__name__)


class Store:
    """All tiers of one node. Thread-safe. `close` it when nobody uses a blob any more.

    Opening takes the directories, the fastest first, and takes up the blobs of earlier runs. It raises InvalidTier or
    FormatTooNew, and then holds nothing. `clock` gives Unix time: only the order of evictions depends on it, and it
    must mean the same after a restart. `monotonic` says how long a tier in trouble has been quiet. `boot_id` is the
    kernel's unless a test says otherwise. `copies` says how many other nodes have a blob, 0 where it does not know; it
    is asked under the store's lock, so it must be quick.
    """

    def __init__(
        self,
        tiers: Sequence[TierSettings],
        *,
        chunk_bytes: int,
        calls: Calls | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        boot_id: str | None = None,
        copies: Callable[[BlobId], int] = unknown_copies,
    ) -> None:
        self._chunk_bytes = chunk_bytes
        self._calls = calls or Calls()
        self._clock = clock
        self._boot_id = boot_id or read_boot_id()
        self._counters = counters = Counters()
        self._lock = lock = threading.Lock()  # guards _catalog, and which blobs are open; taken before any blob's lock
        self._catalog = catalog = Catalog(len(tiers), copies)
        self._admissions = Admissions(self._catalog)
        self._tiers = _open_tiers(tiers, self._calls, monotonic)
        self._turns = itertools.count()
        shedding = Shedding(lock, catalog, counters, self._measure, self.release)
        self._room = Room(lock, catalog, self._tiers, counters, shedding)
        self._openings = Openings(
            self, catalog, self._tiers, self._room, calls=self._calls, counters=counters, clock=clock
        )
        self._demotion = Demotion(lock, catalog, self._tiers, self._room, self._openings, self._calls, counters)
        taking_up = TakingUp(lock, catalog, self._room, self._openings, self._calls, self._boot_id)
        self._watch = TierWatch(lock, catalog, self._tiers, taking_up.again)
        for number, tier in enumerate(self._tiers):
            taking_up.first(number, tier)

    @property
    def chunk_bytes(self) -> int:
        """The chunk size of all blobs."""
        return self._chunk_bytes

    @property
    def largest_tier_bytes(self) -> int:
        """The capacity of the largest tier; 0 when there is none."""
        return max((tier.settings.capacity_bytes for tier in self._tiers), default=0)

    def acquire(self, info: ObjectInfo) -> Blob:
        """The blob that caches `info`, with one more reference; an empty one is created when there is none.

        One that is larger than what any tier can free lives there chunk by chunk. Raises NoSpace when no tier has room
        even for its index, TierUnavailable when no tier can be written: the caller then reads through, without the
        cache. Does not block, but for a full tier, where it waits until a cold blob is unlinked.
        """
        meta = Meta(BlobKey.of(info, self._chunk_bytes), self._boot_id, info.crc64)
        return self._acquire_existing(meta) or self._create(meta)

    def admit(self, infos: Iterable[ObjectInfo], holder: str) -> None:
        """Promise room for these objects to `holder`, which is about to fill them, until it is dismissed.

        Evicts nothing. A promise counts against who is admitted later, and not against readers: they come first. Raises
        NoSpace when the objects would not all fit beside what is open, pinned or promised.
        """
        keys = [BlobKey.of(info, self._chunk_bytes) for info in infos]
        rooms = [room.now_bytes for room in self._room.overview()]
        with self._lock:
            self._admissions.admit(holder, keys, rooms)

    def dismiss(self, holder: str) -> None:
        """Undo `admit`: the filling ended, well or not. Nothing happens when nothing was promised."""
        with self._lock:
            self._admissions.dismiss(holder)

    def find(self, info: ObjectInfo) -> BlobStatus | None:
        """The blob that caches `info`, if there is one. Takes no reference."""
        with self._lock:
            entry = self._catalog.get(BlobKey.of(info, self._chunk_bytes).blob_id)
            return blob_status(entry, self._tiers[entry.tier]) if entry else None

    def lend(self, blob_id: BlobId) -> Blob | None:
        """The blob of this id with one more reference, for `cachefs.sharing.Lender`. None: not here, or not readable.

        A blob whose files are damaged is left for its next `acquire` to deal with.
        """
        with self._lock:
            entry = self._catalog.get(blob_id)
            try:
                return self._openings.take(entry, None) if entry else None
            except StoreError as error:
                log.info("blob %s cannot be lent: %s", blob_id, error)
                return None

    def blob_ids(self) -> list[BlobId]:
        """The ids of all blobs."""
        with self._lock:
            return [entry.blob_id for entry in self._catalog]

    def whole(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        """Those of `blob_ids` that are complete and verified here; see `cachefs.sharing.Lender`."""
        with self._lock:
            return [blob_id for blob_id in blob_ids if (entry := self._catalog.get(blob_id)) and entry.complete]

    def blobs(self) -> list[BlobStatus]:
        """All blobs."""
        with self._lock:
            return [blob_status(entry, self._tiers[entry.tier]) for entry in self._catalog]

    def pin(self, blob_id: BlobId, holder: str = "") -> None:
        """Keep the blob from eviction until the same `holder` unpins it. Idempotent. KeyError when it is not here.

        A blob that vanishes with its tier, or is dropped as damaged, is pinned again as soon as it is back. Pins are
        not written down: whoever pins says so again after a restart.
        """
        with self._lock:
            self._catalog.pin(self._known(blob_id), holder)

    def unpin(self, blob_id: BlobId, holder: str = "") -> None:
        """Undo `pin`. Nothing happens when there is no such pin."""
        with self._lock:
            self._catalog.unpin(blob_id, holder)

    def evict(self, blob_id: BlobId) -> bool:
        """Remove a blob now. False when it is not here, in use or pinned. Raises TierUnavailable."""
        with self._lock:
            entry = self._catalog.get(blob_id)
            if entry is None or not entry.evictable:
                return False
            condemned = self._room.evict(entry)
        self._room.destroy([condemned])
        return True

    def verify(self, blob_id: BlobId) -> list[int]:
        """Compare all resident chunks with their hashes. The bad ones, which are MISSING now. KeyError: not here.

        Reads the whole blob. Raises CorruptBlob or TierUnavailable when its files cannot be opened.
        """
        with self._lock:
            blob = self._openings.take(self._known(blob_id), None)
        try:
            return [chunk for chunk in range(blob.key.chunk_count) if not blob.check(chunk)]
        finally:
            blob.release()

    def statistics(self) -> StoreStatistics:
        """Counts of one moment."""
        with self._lock:
            tiers = tuple(tier_statistics(tier, number, self._catalog) for number, tier in enumerate(self._tiers))
        return StoreStatistics(tiers=tiers, **self._counters.snapshot())

    def look_after_tiers(self, prepare: Prepare = mount_nothing) -> None:
        """Notice tiers that vanish, fail, come back or work again. Blocks on their disks; one caller at a time.

        Meant to be called every second or so. `prepare` mounts the file system of a tier that has one of its own.
        """
        self._watch.look(prepare)

    def demote(self, go_on: Callable[[], bool] = lambda: True) -> bool:
        """Move one blob down to a later tier, where an earlier one has little room left. Whether one was moved.

        Blocks on disks, for as long as copying takes; ends soon once `go_on` says no. One caller at a time. A tier that
        fails is no error here: it is counted, and the blob stays where it is.
        """
        return self._demotion.step(go_on)

    def close(self) -> None:
        """Close everything, whoever still holds it. Writes nothing: the files are complete after every step."""
        with self._lock:
            for entry in self._catalog:
                if entry.blob:
                    entry.blob.close()
            self._catalog.close()
            for tier in self._tiers:
                tier.close()

    # What follows is the `BlobHost` of our blobs.

    def turn(self) -> int:
        """See `BlobHost.turn`."""
        return next(self._turns)

    def reserve(self, blob_id: BlobId, need_bytes: int) -> None:
        """See `BlobHost.reserve`."""
        with self._lock:
            entry = self._known(blob_id)
            entry.references += 1
            entry.writers += 1
        try:
            self._room.reserve(entry.tier, need_bytes)
        except BaseException:
            self.settle(blob_id, 0)
            raise

    def settle(self, blob_id: BlobId, reserved_bytes: int) -> None:
        """See `BlobHost.settle`."""
        with self._lock:
            if entry := self._catalog.get(blob_id):
                entry.writers -= 1
                self._catalog.settle(entry, reserved_bytes, self._measure(entry))
        self.release(blob_id)

    def release(self, blob_id: BlobId) -> None:
        """See `BlobHost.release`."""
        with self._lock:
            entry = self._catalog.get(blob_id)
            dropped = self._openings.give_back(entry) if entry else []
        self._room.destroy(dropped)

    # Finding and creating.

    def _acquire_existing(self, meta: Meta) -> Blob | None:
        with self._lock:
            entry = self._catalog.get(meta.key.blob_id)
            if entry is None:
                return None
            try:
                return self._openings.take(entry, meta.crc64)
            except CorruptBlob as error:
                condemned = self._room.drop(entry, str(error))
            except TierUnavailable:
                if not self._set_aside(entry):
                    raise
                return None
        self._room.destroy([condemned])
        return None

    def _set_aside(self, entry: Entry) -> bool:
        """Let another tier have the blob, since its own is in trouble. It is found again when that works."""
        tier = self._tiers[entry.tier]
        if entry.references or not tier.health.trouble:
            return False
        self._catalog.forget(entry)
        tier.overlooked = True
        return True

    def _create(self, meta: Meta) -> Blob:
        """In the first tier that can; or somebody else was faster."""
        footprint_bytes = placement.footprint_bytes(index_bytes(meta.key))
        need_bytes = placement.blocks(meta.key.size_bytes) + footprint_bytes
        failure: StoreError | None = None
        for number in placement.preference(need_bytes, self._room.overview()):
            try:
                self._room.reserve(number, footprint_bytes)
            except StoreError as error:
                failure = error
                continue
            with self._lock:
                try:
                    return self._create_in(number, meta)
                except OSError as error:
                    failure = self._tiers[number].fault(Step.DIRECTORY, error)
                finally:
                    self._catalog.unreserve(number, footprint_bytes)
        raise failure or NoSpace(f"{meta.key.uri}: there is no tier")

    def _create_in(self, number: int, meta: Meta) -> Blob:
        entry = self._catalog.get(meta.key.blob_id)
        if entry is None:
            tier = self._tiers[number]
            entry = Entry(meta, number, tier.create(meta), self._clock())
            self._catalog.add(entry)
            log.info("blob %s in %s: created for %s", entry.blob_id, tier.path, meta.key.uri)
        return self._openings.take(entry, meta.crc64)

    def _measure(self, entry: Entry) -> int | None:
        return measure(entry, self._tiers[entry.tier])

    def _known(self, blob_id: BlobId) -> Entry:
        entry = self._catalog.get(blob_id)
        if entry is None:
            raise KeyError(blob_id)
        return entry


def _open_tiers(tiers: Sequence[TierSettings], calls: Calls, monotonic: Callable[[], float]) -> list[Tier]:
    """All or none."""
    check_apart([settings.path for settings in tiers])
    with ExitStack() as opened:
        result: list[Tier] = []
        for settings in tiers:
            tier = Tier(settings, calls, clock=monotonic)
            opened.callback(tier.close)
            result.append(tier)
        opened.pop_all()
    return result
