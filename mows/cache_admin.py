"""What can be asked of the cache and done to its blobs by hand. Works on blob ids, sources, or everything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachefs.errors import StoreError
from cachefs.origin import parse_source
from cachefs.store import BlobStatus, StoreStatistics
from cachefs.types import BlobId
from mows.blob_result import Result
from mows.errors import BlobNotFound, Stopping
from mows.pins import Pins


class BlobStore(Protocol):
    """The part of `cachefs.store.Store` that this needs. Any thread."""

    def blobs(self) -> list[BlobStatus]:
        """All blobs."""
        ...

    def evict(self, blob_id: BlobId) -> bool:
        """Remove a blob; False when it is not here, in use or pinned. Blocks."""
        ...

    def verify(self, blob_id: BlobId) -> list[int]:
        """The bad chunks, which were dropped. Reads the whole blob. KeyError when it is not here."""
        ...

    def statistics(self) -> StoreStatistics:
        """Counts of one moment."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one blob."""

    blob: BlobStatus
    result: Result
    bad_chunks: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """Which blobs: those with these ids, those of objects below this source, or, with neither, all."""

    blob_ids: tuple[BlobId, ...] | None = None
    source: str | None = None


class CacheAdmin:
    """Belongs to the loop; the work is done in threads, and given up between two blobs when `stopping` says so."""

    def __init__(self, store: BlobStore, pins: Pins, *, stopping: Callable[[], bool]) -> None:
        self._store = store
        self._pins = pins
        self._stopping = stopping

    async def blobs(self) -> list[BlobStatus]:
        """All blobs, the last used first."""
        return sorted(await asyncio.to_thread(self._store.blobs), key=lambda blob: -blob.last_used)

    async def statistics(self) -> StoreStatistics:
        """Counts of one moment."""
        return await asyncio.to_thread(self._store.statistics)

    def pinned_until(self, blob: BlobStatus) -> float | None:
        """Unix time; None when it is not pinned, or without an end."""
        return self._pins.until([blob.key.blob_id])

    async def pin(self, selection: Selection) -> list[Outcome]:
        """Keep the selected blobs until `unpin`, over restarts too. Raises BlobNotFound, InvalidSource."""
        chosen = await self._select(selection)
        await self._pins.pin(blob.blob_id for blob in chosen)
        return [Outcome(blob, Result.PINNED) for blob in chosen]

    async def unpin(self, selection: Selection) -> list[Outcome]:
        """Undo `pin`. What a lease holds stays pinned until it ends. Raises BlobNotFound, InvalidSource."""
        chosen = await self._select(selection)
        await self._pins.unpin(blob.blob_id for blob in chosen)
        return [Outcome(blob, Result.UNPINNED) for blob in chosen]

    async def evict(self, selection: Selection) -> list[Outcome]:
        """Remove the selected blobs, but those that are open or pinned. Raises BlobNotFound, InvalidSource."""
        return await asyncio.to_thread(self._evict, await self._select(selection))

    async def verify(self, selection: Selection) -> list[Outcome]:
        """Compare all bytes with their hashes; drop what is wrong. Raises BlobNotFound, InvalidSource."""
        return await asyncio.to_thread(self._verify, await self._select(selection))

    async def _select(self, selection: Selection) -> list[BlobStatus]:
        found = {blob.blob_id: blob for blob in await self.blobs()}
        if selection.blob_ids is not None:
            return [_known(found, blob_id) for blob_id in selection.blob_ids]
        if selection.source is not None:
            prefix = parse_source(selection.source).uri
            return [blob for blob in found.values() if _lies_below(blob.key.uri, prefix)]
        return list(found.values())

    def _evict(self, chosen: Sequence[BlobStatus]) -> list[Outcome]:
        return [Outcome(blob, Result.EVICTED if self._store.evict(blob.blob_id) else Result.BUSY) for blob in chosen]

    def _verify(self, chosen: Sequence[BlobStatus]) -> list[Outcome]:
        return [self._verify_one(blob) for blob in chosen]

    def _verify_one(self, blob: BlobStatus) -> Outcome:
        if self._stopping():
            raise Stopping("cache verify: the daemon is stopping")
        try:
            bad = tuple(self._store.verify(blob.blob_id))
        except KeyError:  # evicted since it was selected
            return Outcome(blob, Result.EVICTED)
        except StoreError:
            return Outcome(blob, Result.CORRUPT, tuple(range(blob.key.chunk_count)))
        return Outcome(blob, Result.CORRUPT if bad else Result.OK, bad)


def _known(found: dict[BlobId, BlobStatus], blob_id: BlobId) -> BlobStatus:
    try:
        return found[blob_id]
    except KeyError:
        raise BlobNotFound(f"blob {blob_id!r}: is not in the cache") from None


def _lies_below(uri: str, prefix: str) -> bool:
    return uri == prefix or uri.startswith(prefix if prefix.endswith("/") else f"{prefix}/")
