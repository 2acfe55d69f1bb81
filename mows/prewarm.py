"""One prewarm of this node: list its sources, pin their blobs for the lease, fill the cache, keep the result."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cachefs.errors import NoSpace
from cachefs.fetch.pace import Pace
from cachefs.operations import Operations
from cachefs.ports import Origin
from cachefs.types import BlobId, ObjectInfo
from mows import logs
from mows.filling import Filler
from mows.pins import Pins
from mows.ports import ObjectCache, Origins
from mows.prewarm_eta import Forecast, Seen
from mows.prewarm_job import PrewarmJob
from mows.prewarm_listing import selected
from mows.prewarm_sources import parse_selection
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import PrewarmState
from mows.prewarm_status import PrewarmStatus
from mows.progress import ByteCounter, ByteCounts
from mows.sources import Lister
from mows.threads import to_the_end
from peer.tasks import running

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""How often the rate is measured; less often where counting takes long, see `MOST_BUSY_RATIO`."""
MOST_BUSY_RATIO = 0.05


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
    verify: Callable[[BlobId], Sequence[int]] = field(default=lambda _: ())
    """Compares what is in the cache of a blob with its hashes, and drops the chunks that it gives. Blocks on the disk.
    Raises KeyError for a blob that is not there, and StoreError."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Files of one origin."""

    origin: Origin
    files: list[ObjectInfo]


class Prewarm(PrewarmJob):
    """One job. Its room is kept from its admission to its end, its lease until that ends."""

    def __init__(
        self,
        prewarm_id: str,
        spec: PrewarmSpec,
        services: PrewarmServices,
        turns: asyncio.Semaphore,
        *,
        lease_left_seconds: float | None = None,
    ) -> None:
        """`turns` lets so many prewarms fill at the same time, in the order in which they were admitted.

        `lease_left_seconds` is what is left of the lease when an earlier daemon began it.
        """
        super().__init__(prewarm_id, spec, services.clock)
        self._services = services
        self._turns = turns
        self._lease_seconds = spec.lease_seconds if lease_left_seconds is None else lease_left_seconds
        self._pace = None if spec.rate is None else Pace(spec.rate)
        self._infos: list[ObjectInfo] = []
        self._forecast: Forecast | None = None
        self._fetched = ByteCounter()
        self._corrupt: int | None = None
        self._error: BaseException | None = None
        self._last: PrewarmStatus | None = None
        self._admitted = asyncio.Event()  # set when it fits, or has ended
        self._admitted_all = False
        self._until_paused: asyncio.Timeout | None = None
        """While it fills: ends that."""

    @property
    def holder(self) -> str:
        """The name under which it holds leases."""
        return holder_of(self.prewarm_id)

    async def run(self) -> None:
        """Until the cache is filled. Errors end here, in the log and in the status."""
        sources = list(self.spec.sources)
        # No deadline: its listings and its files have theirs.
        with logs.bound(prewarm=self.prewarm_id), self._services.operations.awaited("prewarm", None, sources=sources):
            try:
                await self._fill_and_let_go()
            except asyncio.CancelledError:
                await self._finish(PrewarmState.CANCELLED)
                raise
            except Exception as error:  # noqa: BLE001 the border of this task: logged, and shown in the status
                logs.failure(log, "prewarm", error, sources=sources)
                await self._services.pins.release(self.holder)
                await self._finish(PrewarmState.FAILED, error)
            else:
                await self._finish(PrewarmState.WARM)

    async def admitted(self, timeout_seconds: float) -> None:
        """See `PrewarmJob.admitted`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._admitted.wait()
        if isinstance(self._error, NoSpace) and not self._admitted_all:
            raise self._error

    def pause(self) -> None:
        """See `PrewarmJob.pause`."""
        super().pause()
        if self._until_paused is not None and not self._until_paused.expired():
            self._until_paused.reschedule(asyncio.get_running_loop().time())

    async def status(self) -> PrewarmStatus:
        """Everything about it, now; of one that has ended, as it was in the end."""
        if self._last is not None:
            return self._last
        return self._status(await asyncio.to_thread(self._count), self.state)

    def _status(self, counts: ByteCounts, state: PrewarmState) -> PrewarmStatus:
        forecast, now = self._forecast, self._services.clock()
        if forecast is not None and state is PrewarmState.WARMING:
            forecast.see(now, counts.local)
        left = None if forecast is None else forecast.seconds_left(counts.local)
        return PrewarmStatus(
            prewarm_id=self.prewarm_id,
            spec=self.spec,
            state=state,
            files=len(self._infos),
            bytes=counts,
            bytes_per_second=forecast.bytes_per_second() if forecast else None,
            eta_seconds=0.0 if state is PrewarmState.WARM else left if state is PrewarmState.WARMING else None,
            eta_error_ratio=forecast.error_ratio(now) if forecast and state is PrewarmState.WARM else None,
            corrupt_chunks=self._corrupt,
            warm_until=self._services.pins.until(map(self._services.cache.blob_id, self._infos)),
            error=self._error,
        )

    # --------------------------------------------------------------- its life

    async def _fill_and_let_go(self) -> None:
        origins = contextlib.ExitStack()
        try:
            await self._fill(await self._listed(origins))
        finally:
            await to_the_end(origins.close)

    async def _listed(self, origins: contextlib.ExitStack) -> list[_Batch]:
        """All sources in turn. A file that two of them select counts, and comes, once."""
        services, batches = self._services, []
        known: set[BlobId] = set()
        for text in self.spec.sources:
            selection = parse_selection(text)
            origin = await to_the_end(origins.enter_context, services.origins.use(selection.source))
            found = await selected(selection, services.lister, origin, self.spec.order, self.prewarm_id)
            files = {services.cache.blob_id(info): info for info in found}
            batches.append(_Batch(origin, [info for blob_id, info in files.items() if blob_id not in known]))
            known |= files.keys()
        self._infos = [info for batch in batches for info in batch.files]
        return batches

    async def _fill(self, batches: Sequence[_Batch]) -> None:
        pins = self._services.pins
        async with pins.room_for(self.holder, self._infos):
            await pins.hold_objects(self.holder, self._infos, self._lease_seconds)
            if self._turns.locked() and not self.paused:
                self._go(PrewarmState.QUEUED)
            self._admitted_all = True
            self._admitted.set()
            filled = False
            while not filled:
                await self._resumed()
                async with self._turns:
                    filled = await self._fill_until_paused(batches)

    async def _resumed(self) -> None:
        while self.paused:
            if self.state is not PrewarmState.PAUSED:
                self._go(PrewarmState.PAUSED)
            await self._change(None)

    async def _fill_until_paused(self, batches: Sequence[_Batch]) -> bool:
        """Whether everything is there; False when it was paused."""
        if self.paused:  # while it waited for its turn
            return False
        until_paused = self._until_paused = asyncio.timeout(None)
        try:
            async with until_paused:
                await self._verify_and_fill(batches)
        except TimeoutError:
            if not until_paused.expired():
                raise
            return False
        finally:
            self._until_paused = None
        return True

    async def _verify_and_fill(self, batches: Sequence[_Batch]) -> None:
        if self.spec.verify and self._corrupt is None:
            self._go(PrewarmState.VERIFYING)
            self._corrupt = await self._verified()
        counts = await asyncio.to_thread(self._count)
        self._forecast = Forecast(counts.total, Seen(self._services.clock(), counts.local))
        self._go(PrewarmState.WARMING)
        async with running(self._look(), f"prewarm {self.prewarm_id} progress"):
            for batch in batches:
                await self._services.filler.fill(batch.files, batch.origin, self._fetched.add, self._pace)

    async def _verified(self) -> int:
        """Compare what is here already; how many chunks were wrong, which are fetched again."""
        wrong = 0
        for info in self._infos:
            with contextlib.suppress(KeyError):
                wrong += len(await to_the_end(self._services.verify, self._services.cache.blob_id(info)))
        return wrong

    async def _look(self) -> None:
        """Measure now and then, whether anybody asks or not."""
        loop = asyncio.get_running_loop()
        took_seconds = 0.0
        while True:
            await asyncio.sleep(max(LOOK_SECONDS, took_seconds / MOST_BUSY_RATIO))
            began = loop.time()
            await self.status()
            took_seconds = loop.time() - began

    async def _finish(self, state: PrewarmState, error: BaseException | None = None) -> None:
        self._error = error
        counts = await to_the_end(self._count)
        self._last = self._status(counts, state)
        self.eta_error_ratio = self._last.eta_error_ratio
        self._infos = []  # a listing takes memory, and nobody needs it any more
        self._admitted.set()
        self._go(state)

    def _count(self) -> ByteCounts:
        infos = self._infos
        local = sum(map(self._services.cache.resident_bytes, infos))
        return self._fetched.counts(total=sum(info.size_bytes for info in infos), local=local)


def holder_of(prewarm_id: str) -> str:
    """The name under which a prewarm holds leases, also after its record, or the process, is gone."""
    return f"prewarm:{prewarm_id}"
