"""Fills the cache with whole files, several at once, and remembers how fast each origin was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence

from cachefs.errors import CacheError
from cachefs.fetch.pace import Pace
from cachefs.fs import Account
from cachefs.ports import Origin
from cachefs.types import ObjectInfo
from mows.ports import ObjectCache
from mows.progress import ByteCounter

MEASURABLE_BYTES = 8 << 20
"""Fewer bytes measure latency, not bandwidth."""


class Filler:
    """Belongs to the loop it is used on."""

    def __init__(self, cache: ObjectCache, *, files_at_once: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._cache = cache
        self._files_at_once = files_at_once
        self._clock = clock
        self._rates: dict[str, float] = {}

    def rate(self, authority: str) -> float | None:
        """Bytes per second that the last fill of some size had from this origin; None when there was none yet."""
        return self._rates.get(authority)

    async def fill(
        self, files: Sequence[ObjectInfo], origin: Origin, account: Account, pace: Pace | None = None
    ) -> None:
        """Return when every file is in the cache, in the order given as far as it can be told.

        With a `pace` no rate is remembered: it says nothing about the origin. Raises the first CacheError that stopped
        a file; the others are cancelled then.
        """
        landed = ByteCounter()

        def count(source: str, size_bytes: int) -> None:
            landed.add(source, size_bytes)
            account(source, size_bytes)

        began = self._clock()
        queue = iter(files)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._files_at_once, len(files))):
                    workers.create_task(self._work(queue, origin, count, pace))
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            elapsed, size_bytes = self._clock() - began, landed.counts(total=0, local=0).from_origin
            if pace is None and size_bytes >= MEASURABLE_BYTES and elapsed > 0:
                self._rates[origin.authority] = size_bytes / elapsed

    async def _work(self, queue: Iterator[ObjectInfo], origin: Origin, account: Account, pace: Pace | None) -> None:
        for info in queue:
            await self._cache.warm(info, origin, account=account, pace=pace)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What to report of several failures: an unexpected one if there is one, because it is a bug."""
    unexpected = group.split(CacheError)[1]
    found: BaseException = group if unexpected is None else unexpected
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
