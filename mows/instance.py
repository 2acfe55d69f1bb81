"""The life of one instance: all its mounts or none, until it is released. Decides nothing about other instances."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mows import logs
from mows.errors import MountNotFound
from mows.instance_eta import RateOf, eta_seconds, is_up
from mows.instance_spec import InstanceSpec, PlannedMount
from mows.instance_state import InstanceState
from mows.mount import Mount, MountStatus
from mows.mount_state import MountState

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OwnedMount:
    """A mount, and the entry of `storage` that it comes from."""

    planned: PlannedMount
    mount: Mount


@dataclass(frozen=True, slots=True)
class MountFailure:
    """Why one mount is not what was asked for."""

    planned: PlannedMount
    error: BaseException


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """An instance at one moment."""

    instance_id: str
    spec: InstanceSpec
    state: InstanceState
    eta_seconds: float | None
    mounts: tuple[tuple[PlannedMount, MountStatus], ...]
    failure: MountFailure | None


class Instance:
    """One instance, whose mounts have begun already. `run` is its life; the rest asks or nudges it.

    Belongs to the loop.
    """

    def __init__(self, instance_id: str, spec: InstanceSpec, mounts: Sequence[OwnedMount], rate_of: RateOf) -> None:
        self.instance_id = instance_id
        self.spec = spec
        self.state = InstanceState.PENDING
        self._mounts = tuple(mounts)
        self._rate_of = rate_of
        self._failure: MountFailure | None = None
        self._released: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()  # set, and replaced, at every change that somebody may wait for

    async def run(self, take_down: Callable[[], Awaitable[object]]) -> None:
        """Live until it is released or fails, then let go of all mounts with `take_down`.

        Cancelled, it leaves the mounts as they are: the daemon ends, and the next one goes on.
        """
        with logs.bound(instance=self.instance_id):
            await self._live()
            self._set(InstanceState.UNMOUNTING)
            await take_down()
            self._mounts = ()
            if self._failure is not None:
                self._set(InstanceState.FAILED)
            else:
                logs.event(log, "released", reason=self._released.result())
                self._announce()

    def release(self, reason: str) -> None:
        """Let it end; `reason` is for the log. Without effect when it is ending already."""
        if not self._released.done():
            self._released.set_result(reason)
            if self.state is not InstanceState.FAILED:
                self._set(InstanceState.UNMOUNTING)

    async def settled(self, timeout_seconds: float) -> None:
        """Wait until what was asked for has come true or has failed, but no longer than this."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while not self._is_settled():
                    await self._changed.wait()

    async def status(self) -> InstanceStatus:
        """Everything about it, now."""
        mounts = self._mounts
        statuses = await asyncio.gather(*(owned.mount.status() for owned in mounts))
        ready = self.state is InstanceState.READY
        return InstanceStatus(
            self.instance_id,
            self.spec,
            self.state,
            0.0 if ready else eta_seconds(statuses, self._rate_of) if mounts else None,
            tuple((owned.planned, status) for owned, status in zip(mounts, statuses, strict=True)),
            self._failure or next(self._troubles(), None),
        )

    # ------------------------------------------------------------------- life

    async def _live(self) -> None:
        """Return when it was released, or when a mount has failed."""
        if self._released.done():
            return
        self._set(InstanceState.MOUNTING)
        coming = [asyncio.create_task(self._come_up(owned), name="mount of an instance") for owned in self._mounts]
        waiting: set[asyncio.Future[Any]] = {*coming, self._released}
        try:
            while len(waiting) > 1 and self._failure is None and not self._released.done():
                _, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in coming:
                task.cancel()
        if self._failure is None and not self._released.done():
            self._set(InstanceState.READY)
            logs.event(log, "ready", mounts=len(self._mounts))
            await self._released

    async def _come_up(self, owned: OwnedMount) -> None:
        """Return when the mount is what was asked for, or has failed, which is noted."""
        mount = owned.mount
        while not is_up(mount.state, warm=mount.spec.warm):
            if mount.state in {MountState.FAILED, MountState.UNMOUNTING}:
                self._fail(owned)
                return
            await mount.changed()
            self._announce()

    def _fail(self, owned: OwnedMount) -> None:
        mount = owned.mount
        error = mount.error or MountNotFound(f"mount {mount.mount_id!r}: was taken away")
        if self._failure is None:
            self._failure = MountFailure(owned.planned, error)
            logs.failure(log, "instance", error, mount=mount.mount_id)

    # --------------------------------------------------------------- internal

    def _is_settled(self) -> bool:
        """While it is mounting: whether all that is left cannot be warmed now."""
        if self.state is InstanceState.UNMOUNTING:
            return not self._mounts
        if self.state is not InstanceState.MOUNTING:
            return self.state is not InstanceState.PENDING
        late = [owned.mount for owned in self._mounts if not is_up(owned.mount.state, warm=owned.mount.spec.warm)]
        return bool(late) and all(mount.state is MountState.MOUNTED and mount.error is not None for mount in late)

    def _troubles(self) -> Iterator[MountFailure]:
        """What keeps mounts that can be read from being warm, or from being refreshed."""
        for owned in self._mounts:
            if owned.mount.error is not None:
                yield MountFailure(owned.planned, owned.mount.error)

    def _set(self, state: InstanceState) -> None:
        self.state = state
        self._announce()

    def _announce(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
