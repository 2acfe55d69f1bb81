"""The life of one mount: list, mount, warm, refresh, unmount. Decides nothing about other mounts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from cachefs.errors import CacheError
from cachefs.fs import Snapshot
from cachefs.fuse.statistics import FuseStatistics
from cachefs.operations import Operations
from cachefs.origin import Source
from mows import logs
from mows.attachment import Attachment, AttachmentServices
from mows.errors import MountNotFound
from mows.filling import Filler
from mows.mount_records import MountRecords
from mows.mount_spec import MountSpec
from mows.mount_state import SERVING, MountState, advance, is_settled
from mows.pins import Pins
from mows.ports import Mounter, MountPlace, ObjectCache, Origins
from mows.progress import ByteCounter, ByteCounts, FillStart, bytes_per_second, seconds_left
from mows.sources import Lister, files_in_order
from mows.threads import to_the_end

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MountSettings:
    """What mounts have in common."""

    lease_seconds: float
    refresh_seconds: float
    """0: never."""
    drain_seconds: float
    """How long files that are still open are served after an unmount."""


def _set_event() -> asyncio.Event:
    event = asyncio.Event()
    event.set()
    return event


@dataclass(frozen=True, slots=True)
class MountServices:
    """What a mount works with."""

    origins: Origins
    lister: Lister
    mounter: Mounter
    cache: ObjectCache
    filler: Filler
    pins: Pins
    settings: MountSettings
    records: MountRecords
    clock: Callable[[], float] = field(default=time.monotonic)
    operations: Operations = field(default_factory=Operations)
    may_fill: asyncio.Event = field(default_factory=_set_event)
    """Warming waits for it: a daemon that begins with restored mounts serves them before it has found its peers."""

    def attachments(self) -> AttachmentServices:
        """What the blocking half of a mount needs of these."""
        return AttachmentServices(
            self.origins, self.mounter, self.records, self.operations, self.settings.drain_seconds
        )


@dataclass(frozen=True, slots=True)
class MountStatus:
    """A mount at one moment."""

    mount_id: str
    spec: MountSpec
    state: MountState
    snapshot_id: str | None
    files: int
    hidden: int
    bytes: ByteCounts
    eta_seconds: float | None
    warm_until: float | None
    passthrough: bool | None
    error: BaseException | None


class Mount:
    """One mount. `run` is its life; the rest asks or nudges it. Belongs to the loop."""

    def __init__(
        self,
        mount_id: str,
        spec: MountSpec,
        source: Source,
        target: Path,
        services: MountServices,
        *,
        restored: bool = False,
    ) -> None:
        """`restored`: an earlier daemon had it, and left a record of it."""
        self.mount_id = mount_id
        self.spec = spec
        self.source = source
        self.target = target
        self.state = MountState.PENDING
        self.refresh_failures = 0
        self._services = services
        self._error: BaseException | None = None
        self._snapshot: Snapshot | None = None
        self._warmed: str | None = None
        self._fill_start: FillStart | None = None
        self._fetched = ByteCounter()
        self._restored = restored
        self._hand_over = False
        place = MountPlace(mount_id, target, source.uri)
        self._attachment = Attachment(place, spec, source, self._fetched.add, services.attachments())
        self._taken_up = asyncio.Event()
        self._listing = (
            asyncio.Lock()
        )  # guards the order of refreshes: a later listing is never shown before an earlier
        self._changed = asyncio.Event()  # set, and replaced, at every change that somebody may wait for
        self._refreshed = asyncio.Event()

    @property
    def holder(self) -> str:
        """The name under which it holds leases."""
        return f"mount:{self.mount_id}"

    @property
    def handed_over(self) -> bool:
        """Whether it was left to the next daemon, at the end."""
        return self._attachment.handed_over

    @property
    def error(self) -> BaseException | None:
        """Why it failed, or why warming or the last refresh did not succeed."""
        return self._error

    async def run(self) -> None:
        """Live until cancelled, or until mounting failed. Errors end here, in the log and in the status."""
        with logs.bound(mount=self.mount_id, path=str(self.target)):
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001 the border of this task: logged, and shown in the status
                logs.failure(log, "mount", error, source=self.source.uri)
                self._set(MountState.FAILED, error)

    def leave(self, *, hand_over: bool = False) -> None:
        """Say that it is on its way out, or with `hand_over`, where that is possible, on its way to the next daemon.

        Whoever calls this cancels `run`.
        """
        self._hand_over = hand_over
        if self.state not in {MountState.UNMOUNTING, MountState.FAILED}:
            self._set(MountState.UNMOUNTING)

    def counts(self) -> tuple[ByteCounts, FuseStatistics | None]:
        """(bytes, without looking how many are local; requests of the kernel, while it is mounted). Quick."""
        total = 0 if self._snapshot is None else self._snapshot.total_bytes
        kernel = self._attachment.kernel
        requests = None if kernel is None else kernel.statistics()
        return self._fetched.counts(total=total, local=0), requests

    async def refresh(self) -> None:
        """List the source again and show the new snapshot as a whole.

        On an error the old one stays. Raises OriginError, DeadlineExceeded; MountNotFound while nothing is mounted.
        """
        async with self._listing:
            try:
                await self._show(await self._services.lister.snapshot(self.source, self.mount_id))
            except CacheError as error:
                self.refresh_failures += 1
                self._error = error
                raise
            self._error = None
            self._refreshed.set()
            self._announce()

    async def taken_up(self) -> bool:
        """Wait until what an earlier daemon left is served again, or was found to be lost; whether readers went on."""
        await self._taken_up.wait()
        return self._attachment.adopted

    async def changed(self) -> None:
        """Wait for the next change of state, error or snapshot."""
        await self._changed.wait()

    async def settled(self, timeout_seconds: float) -> None:
        """Wait until what was asked for has come true or has failed, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not is_settled(self.state, wants_warm=self.spec.warm, has_error=self._error is not None):
                    await self.changed()

    async def status(self) -> MountStatus:
        """Everything about it, now."""
        snapshot, kernel = self._snapshot, self._attachment.kernel
        counts = await asyncio.to_thread(self._count, snapshot)
        return MountStatus(
            mount_id=self.mount_id,
            spec=self.spec,
            state=self.state,
            snapshot_id=None if snapshot is None else snapshot.snapshot_id,
            files=0 if snapshot is None else snapshot.file_count,
            hidden=0 if snapshot is None else len(snapshot.hidden),
            bytes=counts,
            eta_seconds=self._eta(counts),
            warm_until=self._warm_until(snapshot),
            passthrough=None if kernel is None else kernel.passthrough,
            error=self._error,
        )

    # ------------------------------------------------------------------- life

    async def _live(self) -> None:
        try:
            await self._bring_up()
            await self._keep_up()
        finally:
            await self._tear_down()

    async def _bring_up(self) -> None:
        self._set(MountState.MOUNTING)
        if self._restored:
            self._snapshot = await to_the_end(self._attachment.restore)
            self._taken_up.set()
        if self._snapshot is None:
            await self._mount_anew()
        self._set(MountState.MOUNTED)

    async def _mount_anew(self) -> None:
        await to_the_end(self._attachment.open)
        snapshot = await self._services.lister.nonempty_snapshot(self.source, self.mount_id)
        await to_the_end(self._attachment.mount, snapshot)
        self._snapshot = snapshot
        logs.event(log, "mounted", source=self.source.uri, snapshot=snapshot.snapshot_id)

    async def _show(self, snapshot: Snapshot) -> None:
        if self._attachment.kernel is None or self.state not in SERVING:
            raise MountNotFound(f"mount {self.mount_id!r}: is {self.state}, so there is nothing to refresh")
        if self._snapshot_id() != snapshot.snapshot_id:
            await to_the_end(self._attachment.show, snapshot)
            self._snapshot = snapshot
            if self.state is MountState.WARM:
                self._set(MountState.MOUNTED)  # until what is new is warm too

    async def _keep_up(self) -> None:
        await self._services.may_fill.wait()
        while True:
            while self.spec.warm and self._warmed != self._snapshot_id():
                if not await self._warm():
                    break
            await self._wait_for_refresh()

    async def _warm(self) -> bool:
        """Fill the cache with what is shown now; whether that succeeded."""
        snapshot, services = self._snapshot, self._services
        assert snapshot is not None
        files = files_in_order(snapshot)
        self._fill_start = FillStart(services.clock(), (await asyncio.to_thread(self._count, snapshot)).local)
        self._set(MountState.WARMING)
        try:
            async with services.pins.room_for(self.holder, files):
                if not self._lease_stands(snapshot):
                    await services.pins.hold_objects(self.holder, files, self._lease_seconds())
                await services.filler.fill(files, self._attachment.origin, self._fetched.add)
        except Exception as error:  # noqa: BLE001 the mount serves on: logged, and shown in the status
            logs.failure(log, "warm", error, source=self.source.uri)
            self._set(MountState.MOUNTED, error)
            return False
        self._warmed = snapshot.snapshot_id
        self._set(MountState.WARM if snapshot is self._snapshot else MountState.MOUNTED)
        return True

    async def _wait_for_refresh(self) -> None:
        """Return after a refresh, made here when it was time or by somebody who asked for one."""
        seconds = self._services.settings.refresh_seconds
        if self.spec.refresh_seconds is not None:
            seconds = self.spec.refresh_seconds
        self._refreshed.clear()
        try:
            async with asyncio.timeout(seconds or None):
                await self._refreshed.wait()
        except TimeoutError:
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 the mount serves on with the old snapshot: logged and counted
                logs.failure(log, "refresh", error, source=self.source.uri)

    async def _tear_down(self) -> None:
        try:
            await to_the_end(self._attachment.close, hand_over=self._hand_over)
        except Exception as error:  # noqa: BLE001 the border of this task; the kernel mount may be left behind
            logs.failure(log, "unmount", error)
        self._taken_up.set()
        self._announce()

    # --------------------------------------------------------------- internal

    def _set(self, state: MountState, error: BaseException | None = None) -> None:
        self.state = advance(self.state, state)
        self._error = error
        self._announce()

    def _announce(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _snapshot_id(self) -> str | None:
        return None if self._snapshot is None else self._snapshot.snapshot_id

    def _lease_stands(self, snapshot: Snapshot) -> bool:
        """Whether an earlier daemon has pinned all of this: a restart does not make a lease longer."""
        return self._restored and self._warmed is None and self._warm_until(snapshot) is not None

    def _lease_seconds(self) -> float:
        lease = self.spec.lease_seconds
        return self._services.settings.lease_seconds if lease is None else lease

    def _count(self, snapshot: Snapshot | None) -> ByteCounts:
        if snapshot is None:
            return self._fetched.counts(total=0, local=0)
        local = sum(self._services.cache.resident_bytes(node.info) for node in snapshot.files())
        return self._fetched.counts(total=snapshot.total_bytes, local=local)

    def _eta(self, counts: ByteCounts) -> float | None:
        if self.state is MountState.WARM:
            return 0.0
        if self.state is not MountState.WARMING or self._fill_start is None:
            return None
        rate = bytes_per_second(self._fill_start, self._services.clock(), counts.local)
        return seconds_left(counts.missing, rate)

    def _warm_until(self, snapshot: Snapshot | None) -> float | None:
        if snapshot is None:
            return None
        return self._services.pins.until(self._services.cache.blob_id(node.info) for node in snapshot.files())
