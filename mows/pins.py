"""Keeps leased blobs pinned in the store, over restarts, and lets go when the last lease on a blob ends."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

from cachefs.errors import InTheWay, NoSpace
from cachefs.types import BlobId, ObjectInfo
from mows import leases
from mows.leases import Lease, Moment
from mows.ports import Pinning
from mows.threads import to_the_end

log = logging.getLogger(__name__)

USER = "user"
"""Holder of what was pinned by hand."""


class Pins:
    """Belongs to one loop. The store's pins follow the leases: they change only here.

    `now` is the wall clock, which counts only for the file and for people; leases end by `monotonic`.
    """

    def __init__(
        self,
        store: Pinning,
        path: Path,
        *,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._path = path
        self._now = now
        self._monotonic = monotonic
        self._leases: dict[str, Lease] = {}
        self._ends: dict[BlobId, float] = {}
        self._filling: set[str] = set()
        """Holders that were promised room."""
        self._saving = asyncio.Lock()  # guards the file: one writer at a time
        self._changed = asyncio.Event()

    async def restore(self) -> None:
        """Pin again what the file says. A file that cannot be read costs the leases, not the start."""
        try:
            found = await asyncio.to_thread(leases.load, self._path, self._moment())
        except (OSError, ValueError) as error:
            log.warning("leases lost path=%s: %s", self._path, error)
            return
        kept = (lease for lease in found if not lease.has_ended(self._monotonic()))
        self._apply({lease.holder: self._without_evicted(lease) for lease in kept})

    @contextlib.asynccontextmanager
    async def room_for(self, holder: str, infos: Sequence[ObjectInfo]) -> AsyncIterator[None]:
        """While the block fills the cache with these objects, their room is promised to nobody else.

        Entering raises NoSpace when they do not all fit beside what is in use and what others fill, with the leases
        that are in the way.
        """
        self._filling.add(holder)
        try:
            await self._admit(holder, infos)
            yield
        finally:
            self._store.dismiss(holder)
            self._filling.discard(holder)

    async def hold_objects(self, holder: str, infos: Sequence[ObjectInfo], lease_seconds: float) -> None:
        """Keep the blobs of these objects, which need not be in the cache yet. Raises StoreError."""
        pinned: list[BlobId] = []
        try:
            await to_the_end(self._pin_objects, infos, pinned)
        except BaseException:
            for blob_id in set(pinned) - self._ends.keys():
                self._store.unpin(blob_id)
            raise
        await self.hold(holder, pinned, lease_seconds)

    async def hold(self, holder: str, blob_ids: Iterable[BlobId], lease_seconds: float | None) -> None:
        """Keep these blobs for `holder`, in place of what it held before. None: until `release`."""
        until = None if lease_seconds is None else self._monotonic() + lease_seconds
        self._apply(self._leases | {holder: Lease(holder, frozenset(blob_ids), until, lease_seconds)})
        await self._save()

    async def release(self, holder: str) -> None:
        """Let go of everything that `holder` holds."""
        if holder in self._leases:
            self._apply({name: lease for name, lease in self._leases.items() if name != holder})
            await self._save()

    async def pin(self, blob_ids: Iterable[BlobId]) -> None:
        """Keep these blobs, beside those pinned before, until `unpin`."""
        await self.hold(USER, self._user_blobs() | set(blob_ids), None)

    async def unpin(self, blob_ids: Iterable[BlobId]) -> None:
        """Undo `pin`. What a mount or prewarm holds stays pinned until its lease ends."""
        await self.hold(USER, self._user_blobs() - set(blob_ids), None)

    def until(self, blob_ids: Iterable[BlobId]) -> float | None:
        """The Unix time, to the second, until which all of these are kept; None when not all are, or without an end."""
        until = leases.all_held_until(blob_ids, self._ends)
        return None if until is None else float(round(self._moment().on_wall(until)))

    async def run(self) -> None:
        """Let leases end in time. Until cancelled."""
        while True:
            self._changed.clear()
            ends = [lease.until for lease in self._leases.values() if lease.until is not None]
            delay = max(0.0, min(ends) - self._monotonic()) if ends else None
            try:
                async with asyncio.timeout(delay):
                    await self._changed.wait()
            except TimeoutError:
                await self.expire()

    async def expire(self) -> None:
        """Let go of what has ended."""
        now = self._monotonic()
        rest = {holder: lease for holder, lease in self._leases.items() if not lease.has_ended(now)}
        if rest.keys() != self._leases.keys():
            self._apply(rest)
            await self._save()

    async def _admit(self, holder: str, infos: Sequence[ObjectInfo]) -> None:
        try:
            await to_the_end(self._store.admit, infos, holder)
        except NoSpace as error:
            raise NoSpace(str(error), hint=error.hint, in_the_way=map(self._with_leases, error.in_the_way)) from None

    def _moment(self) -> Moment:
        return Moment(self._monotonic(), self._now())

    def _pin_objects(self, infos: Sequence[ObjectInfo], pinned: list[BlobId]) -> None:
        for info in infos:
            pinned.append(self._store.pin_object(info))  # noqa: PERF401 the caller undoes what was done when one fails

    def _with_leases(self, way: InTheWay) -> InTheWay:
        """The store knows one holder for all leases."""
        names = {lease.holder for lease in self._leases.values() if way.blob_id in lease.blob_ids}
        names |= self._filling.intersection(way.held_by)
        return dataclasses.replace(way, held_by=(*way.held_by[: "open" in way.held_by], *sorted(names)))

    def _without_evicted(self, lease: Lease) -> Lease:
        return dataclasses.replace(lease, blob_ids=frozenset(filter(self._store.pin, lease.blob_ids)))

    def _user_blobs(self) -> set[BlobId]:
        return set(self._leases[USER].blob_ids) if USER in self._leases else set()

    def _apply(self, wanted: dict[str, Lease]) -> None:
        ends = leases.held_until(wanted.values())
        for blob_id in ends.keys() - self._ends.keys():
            self._store.pin(blob_id)
        for blob_id in self._ends.keys() - ends.keys():
            self._store.unpin(blob_id)
        self._leases, self._ends = wanted, ends
        self._changed.set()

    async def _save(self) -> None:
        async with self._saving:
            try:
                await asyncio.to_thread(leases.save, list(self._leases.values()), self._path, self._moment())
            except OSError as error:
                log.warning("leases not saved, a restart would lose them path=%s: %s", self._path, error)
