"""Listing a source into a snapshot."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Iterator, Sequence

from cachefs.errors import EmptySource, SourceTooLarge
from cachefs.fs import Snapshot, build_snapshot
from cachefs.operations import Operations
from cachefs.origin import Source
from cachefs.types import Deadline, ObjectInfo
from mows import logs
from mows.ports import Origins

log = logging.getLogger(__name__)

MAX_OBJECTS = 100_000

LISTINGS_AT_ONCE = 4
"""A listing under way costs half as much memory again as one that is mounted, and all of them one core."""


class Lister:
    """Lists sources, off the loop."""

    def __init__(
        self,
        origins: Origins,
        *,
        timeout_seconds: float,
        max_objects: int = MAX_OBJECTS,
        operations: Operations | None = None,
    ) -> None:
        self._origins = origins
        self._max_objects = max_objects
        self._turns = asyncio.Semaphore(LISTINGS_AT_ONCE)
        self._operations = operations or Operations()
        self._timeout_seconds = timeout_seconds

    async def snapshot(self, source: Source, mount_id: str) -> Snapshot:
        """What lies below `source` now, perhaps nothing. Raises OriginError, DeadlineExceeded, SourceTooLarge.

        When cancelled, the thread ends by itself: at the deadline, or when the origin is closed.
        """
        async with self._turns:  # each turn ends at its deadline
            return await asyncio.to_thread(self._list, source, mount_id)

    async def nonempty_snapshot(self, source: Source, mount_id: str) -> Snapshot:
        """As `snapshot`; EmptySource when there is no file."""
        found = await self.snapshot(source, mount_id)
        if found.file_count == 0:
            hidden = f"only {len(found.hidden)} keys that no file system can show" if found.hidden else "nothing"
            raise EmptySource(f"source {source.uri!r}: {hidden} below this prefix")
        return found

    async def snapshot_with_keys(self, source: Source, mount_id: str) -> Snapshot:
        """As `snapshot`; EmptySource when there is not even a key that is hidden."""
        found = await self.snapshot(source, mount_id)
        if found.file_count == 0 and not found.hidden:
            raise EmptySource(f"source {source.uri!r}: nothing below this prefix")
        return found

    def _list(self, source: Source, mount_id: str) -> Snapshot:
        began = time.monotonic()
        watched = self._operations.watched("list", self._timeout_seconds, source=source.uri)
        with watched, self._origins.use(source) as origin:
            pages = origin.list(source.prefix, Deadline.after(self._timeout_seconds))
            found = build_snapshot(at_most(self._max_objects, pages, source), source.prefix, mount_id)
        logs.event(
            log,
            "listed",
            source=source.uri,
            files=found.file_count,
            hidden=len(found.hidden),
            bytes=found.total_bytes,
            seconds=round(time.monotonic() - began, 3),
        )
        return found


def at_most(max_objects: int, pages: Iterable[Sequence[ObjectInfo]], source: Source) -> Iterator[Sequence[ObjectInfo]]:
    """`pages` of the listing of `source`. Raises SourceTooLarge as soon as they have more objects than that."""
    count = 0
    for page in pages:
        count += len(page)
        if count > max_objects:
            raise SourceTooLarge(f"source {source.uri!r}: more than {max_objects} objects (mounts.max_objects)")
        yield page


def files_in_order(snapshot: Snapshot) -> list[ObjectInfo]:
    """All objects by path: the order in which engines read shards."""
    return [node.info for node in sorted(snapshot.files(), key=lambda node: node.path)]
