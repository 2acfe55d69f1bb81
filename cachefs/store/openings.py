"""References to blobs: the first one opens the files, the last one closes them and writes down when that was.

Part of one store, which holds its lock around every method here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cachefs.errors import CorruptBlob, TierUnavailable
from cachefs.store.blob import Blob
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.counters import Counters
from cachefs.store.host import BlobHost
from cachefs.store.index import Index
from cachefs.store.oscalls import Calls, Step
from cachefs.store.room import Condemned, Room
from cachefs.store.tier import BlobFiles, Tier


class Openings:
    """Opens and closes the blobs of one catalog. `host` is what those blobs ask for room."""

    def __init__(
        self,
        host: BlobHost,
        catalog: Catalog,
        tiers: Sequence[Tier],
        room: Room,
        *,
        calls: Calls,
        counters: Counters,
        clock: Callable[[], float],
    ) -> None:
        self._host = host
        self._catalog = catalog
        self._tiers = tiers
        self._room = room
        self._calls = calls
        self._counters = counters
        self._clock = clock

    def take(self, entry: Entry, crc64: int | None) -> Blob:
        """One more reference. Raises CorruptBlob for files that are not right, TierUnavailable for others."""
        if entry.blob is None:
            entry.blob = self.open(entry, crc64)
        elif crc64 is not None:
            entry.blob.expect_crc64(crc64)
        entry.references += 1
        entry.taken += 1
        entry.last_used = self._clock()
        return entry.blob

    def give_back(self, entry: Entry) -> list[Condemned]:
        """One reference less. What is returned is to be destroyed without the lock."""
        if entry.references <= 0 or entry.blob is None:
            raise RuntimeError(f"blob {entry.blob_id}: released more often than acquired")
        entry.references -= 1
        entry.last_used = self._clock()
        if entry.references:
            return []
        entry.note(entry.blob)
        entry.blob.close()
        entry.blob = None
        return self._record_use(entry)

    def open(self, entry: Entry, crc64: int | None) -> Blob:
        """As `take`, for who closes it himself. `crc64` is what the origin says of the whole, if it does."""
        blob = Blob(
            self._host,
            self._tiers[entry.tier],
            entry.meta,
            self.open_files(entry),
            calls=self._calls,
            counters=self._counters,
        )
        if crc64 is not None:
            blob.expect_crc64(crc64)
        try:
            blob.seal_if_complete()
        except CorruptBlob:
            blob.close()
            raise
        return blob

    def open_files(self, entry: Entry) -> tuple[BlobFiles, Index]:
        """The files as they are. Raises as `take`."""
        tier = self._tiers[entry.tier]
        try:
            return tier.open(entry.meta)
        except FileNotFoundError as error:
            if tier.has_vanished():
                raise TierUnavailable(f"{tier.path}: {tier.health.trouble}") from error
            raise CorruptBlob(f"{error.filename} is missing") from error
        except OSError as error:
            raise tier.fault(Step.DATA_OPEN, error) from error

    def _record_use(self, entry: Entry) -> list[Condemned]:
        tier = self._tiers[entry.tier]
        if entry.orphaned:
            self._catalog.forget(entry)
            tier.overlooked = True
            return []
        try:
            tier.touch(entry.blob_id, entry.last_used)
        except FileNotFoundError:
            if tier.has_vanished():
                self._catalog.forget(entry)
                return []
            return self._drop_incomplete(entry)
        except OSError as error:
            tier.fault(Step.TOUCH, error)
        return []

    def _drop_incomplete(self, entry: Entry) -> list[Condemned]:
        """Its meta.json is gone: by our own hand, since the index could not be corrected, or by another's."""
        try:
            return [self._room.drop(entry, "its meta.json vanished while it was in use")]
        except TierUnavailable:  # counted; it stays in the catalog and is not there for the next run
            return []


def measure(entry: Entry, tier: Tier) -> int | None:
    """What a blob occupies; None when that cannot be told.

    Asked after every chunk: what is beside the data never changes, so the directory is looked at only once.
    """
    try:
        if entry.blob is None:
            return tier.allocated_bytes(entry.blob_id)
        if entry.beside_bytes is None:
            entry.beside_bytes = tier.beside_bytes(entry.blob_id)
        return entry.blob.data.occupied_bytes() + entry.beside_bytes
    except OSError as error:
        tier.fault(Step.DATA_MEASURE, error)
        return None
