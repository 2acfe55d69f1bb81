"""Pins in the store, as the port wants them. The store knows pins by holder; all of ours have one."""

from __future__ import annotations

from collections.abc import Sequence

from cachefs.store import Store
from cachefs.types import BlobId, ObjectInfo

HOLDER = "leases"


class StorePins:
    """Implements `mows.ports.Pinning`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def admit(self, infos: Sequence[ObjectInfo], holder: str) -> None:
        """See `Pinning.admit`."""
        self._store.admit(infos, holder)

    def dismiss(self, holder: str) -> None:
        """See `Pinning.dismiss`."""
        self._store.dismiss(holder)

    def pin_object(self, info: ObjectInfo) -> BlobId:
        """See `Pinning.pin_object`."""
        blob = self._store.acquire(info)
        try:
            self._store.pin(blob.blob_id, HOLDER)
            return blob.blob_id
        finally:
            blob.release()

    def pin(self, blob_id: BlobId) -> bool:
        """See `Pinning.pin`."""
        try:
            self._store.pin(blob_id, HOLDER)
        except KeyError:
            return False
        return True

    def unpin(self, blob_id: BlobId) -> None:
        """See `Pinning.unpin`."""
        self._store.unpin(blob_id, HOLDER)
