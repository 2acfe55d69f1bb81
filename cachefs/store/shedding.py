"""Giving up chunks of blobs in use: what makes room when everything cold is gone already.

A blob larger than its tier, or larger than what the others leave of it, lives there chunk by chunk. The chunk that
was used longest ago goes: first it is MISSING, in the index too, then its blocks are freed. A crash in between leaves a
chunk that is fetched again, never a hole that is taken for data.

Never given up: chunks somebody reads at this moment (`cachefs.store.uses`), complete blobs (the kernel may read them by
itself, through passthrough), and pinned ones.

Readers get on, however small the tier is. A chunk that lands counts as just used, so it goes last; the thread that
landed it answers the reads that wait for it before it lands another; and a read that needs several chunks keeps a copy
of those it has seen (`cachefs.fetch.live`). If all that is here is in use, the write is refused, and what was to be
written goes through memory.
"""

from __future__ import annotations

import heapq
import logging
import threading
from collections.abc import Callable, Sequence

from cachefs.store.blob import Blob
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.counters import Counters, Event
from cachefs.store.placement import blocks
from cachefs.types import BlobId

log = logging.getLogger(__name__)

SLACK_SHARE = 64
"""Of what blobs that may lose chunks have, what is freed beyond need where chunks are small against it: looking for the
coldest chunk costs a look at all of them, so some hundred are taken at a time."""

WINDOW_SHARE = 16
"""Of the same, what such blobs may read ahead together: else they fetch what pushes out what they fetched a moment ago,
unread. Not of the tier: the most of that may be pinned, or complete and open."""


class Shedding:
    """Frees chunks. Shares the store's lock, which guards the catalog and is taken before any blob's lock."""

    def __init__(
        self,
        lock: threading.Lock,
        catalog: Catalog,
        counters: Counters,
        measure: Callable[[Entry], int | None],
        release: Callable[[BlobId], None],
    ) -> None:
        self._lock = lock
        self._catalog = catalog
        self._counters = counters
        self._measure = measure
        self._release = release

    def idle_bytes(self, tier: int) -> int:
        """What could be freed now, or nearly. The lock is held."""
        return sum(blob.idle_bytes() for _, blob in self._loose(tier))

    def hold(self, tier: int) -> list[Entry]:
        """The blobs that may lose chunks, each with one more reference, for `free`. The lock is held."""
        entries = [entry for entry, _ in self._loose(tier)]
        for entry in entries:
            entry.references += 1
        return entries

    def free(self, held: Sequence[Entry], short_bytes: int) -> int:
        """Free at least `short_bytes` if possible; returns what was. Gives the references back. The lock is not held.

        Raises TierUnavailable when the index or the file system refuses.
        """
        try:
            return self._free(held, short_bytes)
        finally:
            for entry in held:
                self._release(entry.blob_id)

    def _free(self, held: Sequence[Entry], short_bytes: int) -> int:
        shared_bytes = sum(entry.allocated_bytes for entry in held)
        blobs = [(entry, entry.blob) for entry in held if entry.blob]
        chunk_bytes = min((blob.key.chunk_bytes for _, blob in blobs), default=1)
        slack_chunks = shared_bytes // SLACK_SHARE // chunk_bytes
        wanted_bytes = short_bytes + slack_chunks * chunk_bytes
        most = -(-wanted_bytes // chunk_bytes) + 1
        freed_bytes = 0
        for _, number, chunk in coldest([blob.uses.coldest(most) for _, blob in blobs], most):
            if freed_bytes >= wanted_bytes:
                break
            entry, blob = blobs[number]
            freed_bytes += self._give_up(entry, blob, chunk)
            blob.window_bytes = shared_bytes // WINDOW_SHARE // len(blobs)
        return freed_bytes

    def _give_up(self, entry: Entry, blob: Blob, chunk: int) -> int:
        planned_bytes = blocks(len(blob.key.chunk_range(chunk)))
        with self._lock:
            entry.leaving_bytes += planned_bytes
        freed_bytes = 0
        try:
            freed_bytes = blob.give_up(chunk)
        finally:
            with self._lock:
                self._catalog.gave_up(entry, planned_bytes, freed_bytes, self._measure(entry))
        if freed_bytes:
            self._counters.add(Event.EVICTED_CHUNKS)
            self._counters.add(Event.EVICTED_BYTES, freed_bytes)
        return freed_bytes

    def _loose(self, tier: int) -> list[tuple[Entry, Blob]]:
        return [
            (entry, entry.blob)
            for entry in self._catalog
            if entry.tier == tier and entry.blob and not entry.blob.kept and not entry.holders and not entry.orphaned
        ]


def coldest(per_blob: Sequence[Sequence[tuple[int, int]]], most: int) -> list[tuple[int, int, int]]:
    """The `most` coldest of (turn of the last use, number of the blob, chunk); each blob's come sorted. Pure."""
    merged = heapq.merge(*([(turn, number, chunk) for turn, chunk in one] for number, one in enumerate(per_blob)))
    return [cold for cold, _ in zip(merged, range(most), strict=False)]
