"""One prewarm: list its sources, pin their blobs for the lease, fill the cache, keep the result."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cachefs.errors import NoSpace
from cachefs.operations import Operations
from cachefs.origin import Source
from cachefs.ports import Origin
from cachefs.types import ObjectInfo
from mows import logs
from mows.filling import Filler
from mows.pins import Pins
from mows.ports import ObjectCache, Origins
from mows.prewarm_state import FINISHED, PrewarmState
from mows.progress import ByteCounter, ByteCounts, FillStart, bytes_per_second, seconds_left
from mows.sources import Lister, files_in_order
from mows.threads import to_the_end

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PrewarmServices:
    """What a prewarm works with."""

    origins: Origins
    lister: Lister
    cache: ObjectCache
    filler: Filler
    pins: Pins
    clock: Callable[[], float] = field(default=time.monotonic)
    operations: Operations = field(default_factory=Operations)


@dataclass(frozen=True, slots=True)
class PrewarmStatus:
    """A prewarm at one moment."""

    prewarm_id: str
    sources: tuple[str, ...]
    state: PrewarmState
    files: int
    bytes: ByteCounts
    bytes_per_second: float | None
    eta_seconds: float | None
    warm_until: float | None
    error: BaseException | None


class Prewarm:
    """One job. `run` is its life. Belongs to the loop."""

    def __init__(
        self,
        prewarm_id: str,
        sources: Sequence[Source],
        lease_seconds: float,
        services: PrewarmServices,
        turns: asyncio.Semaphore,
    ) -> None:
        """`turns` lets so many prewarms fill at the same time, in the order in which they were admitted."""
        self.prewarm_id = prewarm_id
        self.sources = tuple(sources)
        self.state = PrewarmState.PENDING
        self.finished_at: float | None = None
        """Monotonic; None while it runs."""
        self._lease_seconds = lease_seconds
        self._services = services
        self._turns = turns
        self._files: dict[Source, list[ObjectInfo]] = {}
        self._start: FillStart | None = None
        self._fetched = ByteCounter()
        self._error: BaseException | None = None
        self._admitted = asyncio.Event()  # set when it fits, or has ended
        self._admitted_all = False
        self._changed = asyncio.Event()  # set, and replaced, when the state changes

    @property
    def holder(self) -> str:
        """The name under which it holds leases."""
        return holder_of(self.prewarm_id)

    async def run(self) -> None:
        """Until the cache is filled. Errors end here, in the log and in the status."""
        sources = [source.uri for source in self.sources]
        # No deadline: its listings and its files have theirs.
        with logs.bound(prewarm=self.prewarm_id), self._services.operations.awaited("prewarm", None, sources=sources):
            try:
                await self._fill_and_let_go()
            except asyncio.CancelledError:
                self._finish(PrewarmState.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 the border of this task: logged, and shown in the status
                logs.failure(log, "prewarm", error, sources=sources)
                await self._services.pins.release(self.holder)
                self._finish(PrewarmState.FAILED, error)
            else:
                self._finish(PrewarmState.WARM)

    async def changed(self, timeout_seconds: float) -> None:
        """Wait for the next change of state, but no longer than this; at once when it has finished."""
        if self.state in FINISHED:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._changed.wait()

    async def admitted(self, timeout_seconds: float) -> None:
        """Wait until it is known that everything fits, but no longer than this. Raises NoSpace when it does not."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._admitted.wait()
        if isinstance(self._error, NoSpace) and not self._admitted_all:
            raise self._error

    async def status(self) -> PrewarmStatus:
        """Everything about it, now."""
        counts = await asyncio.to_thread(self._count)
        moment = self._services.clock() if self.finished_at is None else self.finished_at
        rate = None if self._start is None else bytes_per_second(self._start, moment, counts.local)
        return PrewarmStatus(
            prewarm_id=self.prewarm_id,
            sources=tuple(source.uri for source in self.sources),
            state=self.state,
            files=sum(map(len, self._files.values())),
            bytes=counts,
            bytes_per_second=rate,
            eta_seconds=self._eta(counts, rate),
            warm_until=self._services.pins.until(map(self._services.cache.blob_id, self._infos())),
            error=self._error,
        )

    async def _fill_and_let_go(self) -> None:
        origins = contextlib.ExitStack()
        try:
            await self._fill(origins)
        finally:
            await to_the_end(origins.close)

    async def _fill(self, origins: contextlib.ExitStack) -> None:
        services = self._services
        opened: dict[Source, Origin] = {}
        for source in self.sources:
            opened[source] = await to_the_end(origins.enter_context, services.origins.use(source))
            snapshot = await services.lister.nonempty_snapshot(source, self.prewarm_id)
            self._files[source] = files_in_order(snapshot)
        async with services.pins.room_for(self.holder, self._infos()):
            await services.pins.hold_objects(self.holder, self._infos(), self._lease_seconds)
            if self._turns.locked():
                self._go(PrewarmState.QUEUED)
            self._admitted_all = True
            self._admitted.set()
            async with self._turns:
                await self._fill_now(opened)

    async def _fill_now(self, opened: Mapping[Source, Origin]) -> None:
        services = self._services
        self._go(PrewarmState.WARMING)
        self._start = FillStart(services.clock(), (await asyncio.to_thread(self._count)).local)
        for source, files in self._files.items():
            await services.filler.fill(files, opened[source], self._fetched.add)

    def _finish(self, state: PrewarmState, error: BaseException | None = None) -> None:
        self._error = error
        self.finished_at = self._services.clock()
        self._admitted.set()
        self._go(state)

    def _go(self, state: PrewarmState) -> None:
        self.state = state
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _infos(self) -> list[ObjectInfo]:
        return [info for files in list(self._files.values()) for info in files]

    def _count(self) -> ByteCounts:
        infos = self._infos()
        local = sum(map(self._services.cache.resident_bytes, infos))
        return self._fetched.counts(total=sum(info.size_bytes for info in infos), local=local)

    def _eta(self, counts: ByteCounts, rate: float | None) -> float | None:
        if self.state is PrewarmState.WARM:
            return 0.0
        return seconds_left(counts.missing, rate) if self.state is PrewarmState.WARMING else None


def holder_of(prewarm_id: str) -> str:
    """The name under which a prewarm holds leases, also after its record, or the process, is gone."""
    return f"prewarm:{prewarm_id}"
