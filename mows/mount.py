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
from cachefs.ports import Origin
from mows import logs
from mows.errors import MountNotFound
from mows.filling import Filler
from mows.mount_spec import MountSpec
from mows.mount_state import SERVING, MountState, advance, is_settled
from mows.pins import Pins
from mows.ports import KernelMount, Mounter, ObjectCache, Origins
from mows.progress import ByteCounter, ByteCounts, FillStart, bytes_per_second, seconds_left
from mows.sources import Lister, files_in_order
from mows.threads import to_the_end

log = logging.getLogger(__name__)

ORIGIN_SECONDS = 60.0
"""To open an origin is to read credentials, or to mount a NAS, which has 30 s by itself (`nas.timeout`)."""

KERNEL_SECONDS = 30.0
"""A mount, its end, or a new listing of it takes milliseconds. Beyond this the watchdog says where it stands."""


@dataclass(frozen=True, slots=True)
class MountSettings:
    """What mounts have in common."""

    lease_seconds: float
    refresh_seconds: float
    """0: never."""
    drain_seconds: float
    """How long files that are still open are served after an unmount."""


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
    clock: Callable[[], float] = field(default=time.monotonic)
    operations: Operations = field(default_factory=Operations)


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

    def __init__(self, mount_id: str, spec: MountSpec, source: Source, target: Path, services: MountServices) -> None:
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
        self._resources = contextlib.ExitStack()  # the origin and the kernel mount; left in a thread
        self._origin: Origin | None = None
        self._kernel_mount: KernelMount | None = None
        self._listing = (
            asyncio.Lock()
        )  # guards the order of refreshes: a later listing is never shown before an earlier
        self._changed = asyncio.Event()  # set, and replaced, at every change that somebody may wait for
        self._refreshed = asyncio.Event()

    @property
    def holder(self) -> str:
        """The name under which it holds leases."""
        return f"mount:{self.mount_id}"

    async def run(self) -> None:
        """Live until cancelled, or until mounting failed. Errors end here, in the log and in the status."""
        with logs.bound(mount=self.mount_id, path=str(self.target)):
            try:
                await self._live()
            except Exception as error:  # noqa: BLE001 the border of this task: logged, and shown in the status
                logs.failure(log, "mount", error, source=self.source.uri)
                self._set(MountState.FAILED, error)

    def leave(self) -> None:
        """Say that it is on its way out; whoever calls this cancels `run`."""
        if self.state not in {MountState.UNMOUNTING, MountState.FAILED}:
            self._set(MountState.UNMOUNTING)

    def counts(self) -> tuple[ByteCounts, FuseStatistics | None]:
        """(bytes, without looking how many are local; requests of the kernel, while it is mounted). Quick."""
        total = 0 if self._snapshot is None else self._snapshot.total_bytes
        requests = None if self._kernel_mount is None else self._kernel_mount.statistics()
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
        snapshot = self._snapshot
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
            passthrough=None if self._kernel_mount is None else self._kernel_mount.passthrough,
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
        await to_the_end(self._open_origin)
        self._snapshot = await self._services.lister.nonempty_snapshot(self.source, self.mount_id)
        await to_the_end(self._mount, self._snapshot)
        self._set(MountState.MOUNTED)
        logs.event(log, "mounted", source=self.source.uri, snapshot=self._snapshot.snapshot_id)

    def _open_origin(self) -> None:
        with self._services.operations.watched("origin.open", ORIGIN_SECONDS, source=self.source.uri):
            self._origin = self._resources.enter_context(self._services.origins.use(self.source))

    def _mount(self, snapshot: Snapshot) -> None:
        services = self._services
        assert self._origin is not None
        with services.operations.watched("mount", KERNEL_SECONDS, source=self.source.uri):
            self._kernel_mount = services.mounter.mount(
                self.target, snapshot, self._origin, source=self.source.uri, account=self._fetched.add
            )
        self._resources.callback(self._kernel_mount.stop, timeout_seconds=services.settings.drain_seconds)

    async def _show(self, snapshot: Snapshot) -> None:
        if self._kernel_mount is None or self.state not in SERVING:
            raise MountNotFound(f"mount {self.mount_id!r}: is {self.state}, so there is nothing to refresh")
        if self._snapshot_id() != snapshot.snapshot_id:
            await to_the_end(self._swap, self._kernel_mount, snapshot)
            self._snapshot = snapshot
            if self.state is MountState.WARM:
                self._set(MountState.MOUNTED)  # until what is new is warm too

    def _swap(self, kernel_mount: KernelMount, snapshot: Snapshot) -> None:
        with self._services.operations.watched("refresh", KERNEL_SECONDS, source=self.source.uri):
            kernel_mount.show(snapshot)

    async def _keep_up(self) -> None:
        while True:
            while self.spec.warm and self._warmed != self._snapshot_id():
                if not await self._warm():
                    break
            await self._wait_for_refresh()

    async def _warm(self) -> bool:
        """Fill the cache with what is shown now; whether that succeeded."""
        snapshot, services = self._snapshot, self._services
        assert snapshot is not None
        assert self._origin is not None
        files = files_in_order(snapshot)
        self._fill_start = FillStart(services.clock(), (await asyncio.to_thread(self._count, snapshot)).local)
        self._set(MountState.WARMING)
        try:
            await services.pins.hold_objects(self.holder, files, self._lease_seconds())
            await services.filler.fill(files, self._origin, self._fetched.add)
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
            await to_the_end(self._release)
        except Exception as error:  # noqa: BLE001 the border of this task; the kernel mount may be left behind
            logs.failure(log, "unmount", error)
        self._kernel_mount = None
        self._announce()

    def _release(self) -> None:
        seconds = self._services.settings.drain_seconds + KERNEL_SECONDS
        with self._services.operations.watched("unmount", seconds, waits_for="readers of files that are still open"):
            self._resources.close()

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
