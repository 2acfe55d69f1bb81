"""The blobs of earlier runs come into the catalog: at the start, and when a tier is back that had vanished."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from cachefs.errors import StoreError
from cachefs.store import placement
from cachefs.store.blob import Blob
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.index import index_bytes
from cachefs.store.openings import Openings
from cachefs.store.oscalls import Calls
from cachefs.store.recovery import recover
from cachefs.store.room import Room
from cachefs.store.tier import Tier
from cachefs.types import BlobId

log = logging.getLogger(__name__)


class TakingUp:
    """Part of one store, and shares its lock, which guards the catalog."""

    def __init__(
        self, lock: threading.Lock, catalog: Catalog, room: Room, openings: Openings, calls: Calls, boot_id: str
    ) -> None:
        self._lock = lock
        self._catalog = catalog
        self._room = room
        self._openings = openings
        self._calls = calls
        self._boot_id = boot_id

    def first(self, number: int, tier: Tier) -> None:
        """All blobs of a tier that was just opened. Nobody else uses the store yet."""
        for blob_id in tier.scan():
            self._take_up(number, tier, blob_id)
        log.info("tier %s: opened, %d bytes in use", tier.path, self._catalog.accounts[number].used)

    def again(self, number: int, tier: Tier) -> None:
        """The blobs that lie in a tier which works again. Takes the lock, for one blob after the other."""
        for blob_id in list(tier.blob_ids()):
            with self._lock:
                known = self._catalog.get(blob_id)
                if (known is None or known.tier != number) and tier.paths(blob_id).directory.is_dir():
                    self._take_up(number, tier, blob_id)

    def _take_up(self, number: int, tier: Tier, blob_id: BlobId) -> None:
        try:
            found = recover(tier, blob_id, self._boot_id, self._calls)
            entry = Entry(found.meta, number, found.allocated_bytes, found.last_used)
            blob = self._openings.open(entry, None)
        except (StoreError, OSError) as error:
            self._room.discard(tier, blob_id, str(error))
            return
        entry.note(blob)
        self._free_leftovers(entry, tier, blob)
        blob.close()
        if self._catalog.get(blob_id):
            self._room.discard(tier, blob_id, "an earlier tier has it too")
        else:
            self._catalog.add(entry)

    def _free_leftovers(self, entry: Entry, tier: Tier, blob: Blob) -> None:
        """Chunks that were being written or given up in a crash hold blocks that nothing else would ever free."""
        data_bytes = entry.allocated_bytes - placement.footprint_bytes(index_bytes(entry.key))
        if data_bytes > placement.blocks(blob.known_bytes):
            with suppress(StoreError, OSError):  # counted
                blob.punch_missing()
                entry.allocated_bytes = tier.allocated_bytes(entry.blob_id)
