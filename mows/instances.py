"""All instances of this node: who may have which id, and their tasks.

An instance is released by `delete`, when its lease ends without a renewal, and when its process or its pod ends. It
outlives the daemon: a record (`mows.instance_records`) says what it is, and the next daemon goes on with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import CacheError
from mows import logs
from mows.audit import NO_AUDIT, Audit
from mows.eas import StorageSettings
from mows.errors import (
    InstanceConflict,
    InstanceNotFound,
    InvalidRequest,
    MountConflict,
    MountOfInstance,
    Stopping,
)
from mows.instance import Instance, OwnedMount
from mows.instance_ends import Clocks, InstanceEnds
from mows.instance_eta import RateOf
from mows.instance_records import InstanceRecord, InstanceRecords
from mows.instance_spec import InstanceSpec, PlannedMount, mount_id
from mows.instance_state import LEAVING, InstanceState
from mows.mounts import Mounts
from mows.pods import Pods
from mows.threads import to_the_end

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
"""Leaves room for the number in the ids of its mounts."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stay:
    """One instance, what ends it, and its task."""

    instance: Instance
    ends: InstanceEnds
    task: asyncio.Task[None]


class Instances:
    """Belongs to the loop. Owns one task per instance; `close` ends them all."""

    def __init__(
        self,
        mounts: Mounts,
        records: InstanceRecords,
        storage: StorageSettings,
        rate_of: RateOf,
        clocks: Clocks,
        pods: Pods,
        audit: Audit = NO_AUDIT,
    ) -> None:
        """`audit` hears of those that end by themselves; see `mows.audit` for the others."""
        self.storage = storage
        self._mounts = mounts
        self._records = records
        self._rate_of = rate_of
        self._clocks = clocks
        self._pods = pods
        self._audit = audit
        self._stays: dict[str, _Stay] = {}
        self._admission = asyncio.Lock()  # guards the checks that lead to a new instance: one at a time
        self._stopping = False

    def all(self) -> list[Instance]:
        """Every instance, failed ones too, by id."""
        return [self._stays[instance_id].instance for instance_id in sorted(self._stays)]

    def get(self, instance_id: str) -> Instance:
        """Raises InstanceNotFound."""
        try:
            return self._stays[instance_id].instance
        except KeyError:
            raise InstanceNotFound(f"instance {instance_id!r}: there is none") from None

    def lease_until(self, instance_id: str) -> float | None:
        """The Unix time, to the second, at which an instance is released; None when it has no lease, or is gone."""
        stay = self._stays.get(instance_id)
        until = None if stay is None else stay.ends.lease_until
        return None if until is None else float(round(until))

    def check_deletable(self, mount: str) -> None:
        """Raises MountOfInstance when the mount of this id belongs to an instance: it goes with that alone."""
        for instance in self.all():
            if instance.state is not InstanceState.FAILED and mount in _mount_ids(instance):
                raise MountOfInstance(f"mount {mount!r}: belongs to instance {instance.instance_id!r}")

    async def restore(self) -> None:
        """Go on with the instances of an earlier daemon of this boot, whose mounts are restored already.

        What ended meanwhile is released. Returns when each is there, or is not.
        """
        for record in await asyncio.to_thread(self._records.found):
            try:
                await self._restore(record)
            except CacheError as error:
                logs.failure(log, "restore", error, instance=record.instance_id)

    async def put(self, instance_id: str, spec: InstanceSpec) -> tuple[Instance, bool]:
        """The instance that `spec` asks for, and whether it was made now. Returns before its mounts are mounted.

        A live instance with an equal spec is left as it is, and its lease renewed; a failed one is replaced. Raises
        InstanceConflict, InvalidRequest, ProcessNotFound, PodNotFound, Stopping, and whatever `Mounts.put` raises for
        one of its mounts: then there is none of them.
        """
        while True:
            await self._end_of_leaving(instance_id)
            async with self._admission:
                if self._stopping:
                    raise Stopping(f"instance {instance_id!r}: the daemon is stopping")
                stay = self._stays.get(instance_id)
                if stay is None or stay.task.done():
                    return await self._begin(instance_id, spec), True
                if stay.instance.state not in LEAVING:
                    await self._renew(stay, spec)
                    return stay.instance, False

    async def delete(self, instance_id: str, *, wait_seconds: float | None = None) -> bool:
        """Unmount everything and forget the instance. Returns when it is gone, or False after `wait_seconds`.

        True when there was none. See `Mounts.delete`.
        """
        stay = self._stays.get(instance_id)
        if stay is None:
            return True
        stay.instance.release("deleted")
        done, _ = await asyncio.wait({stay.task}, timeout=wait_seconds)
        if done and self._stays.get(instance_id) is stay:
            del self._stays[instance_id]
        return bool(done)

    def expire(self) -> None:
        """Release those whose lease has ended, now."""
        for stay in self._stays.values():
            stay.ends.expire()

    async def close(self) -> None:
        """End all, and take no more. Mounts and records stay: mounts are unmounted or handed over by `Mounts.close`."""
        self._stopping = True
        async with self._admission:  # whoever is in it ends first: nothing begins after this
            tasks = {stay.task for stay in self._stays.values()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # --------------------------------------------------------------- internal

    async def _begin(self, instance_id: str, spec: InstanceSpec) -> Instance:
        if not _ID.fullmatch(instance_id):
            raise InvalidRequest(
                f"instance id {instance_id!r}: is not a name", hint="use up to 120 letters, digits, '.', '_' and '-'"
            )
        ends = InstanceEnds(self._clocks)
        try:
            if spec.process is not None:
                ends.watch(spec.process)
            if spec.pod is not None:
                await asyncio.to_thread(self._pods.check, spec.pod)
                await self._look(ends, spec.pod)
            if spec.lease_seconds is not None:
                ends.lease(spec.lease_seconds)
            await self._record(instance_id, spec, ends)
            mounts = await self._mount_all(instance_id, spec)
        except BaseException:
            ends.close()
            await to_the_end(self._records.remove, instance_id)
            raise
        return self._start(Instance(instance_id, spec, mounts, self._rate_of), ends)

    async def _restore(self, record: InstanceRecord) -> None:
        instance_id, spec, ends = record.instance_id, record.spec, InstanceEnds(self._clocks)
        try:
            _go_on(ends, record, self._clocks.wall())
            if spec.pod is not None and ends.reason is None:
                await self._look(ends, spec.pod)
            mounts = [] if ends.reason else [await self._mount(instance_id, planned) for planned in spec.mounts]
        except CacheError:
            ends.close()
            await self._let_go(instance_id, spec)
            raise
        if ends.reason:
            ends.close()
            await self._release(instance_id, spec, ends)
            logs.event(log, "released", instance=instance_id, reason=ends.reason)
        else:
            self._start(Instance(instance_id, spec, mounts, self._rate_of), ends)

    async def _look(self, ends: InstanceEnds, pod: str) -> None:
        await ends.look(functools.partial(self._pods.is_gone, pod))

    async def _mount_all(self, instance_id: str, spec: InstanceSpec) -> list[OwnedMount]:
        """Begin every mount, or none."""
        mounts: list[OwnedMount] = []
        try:
            for planned in spec.mounts:
                self._check_is_free(mount_id(instance_id, planned))
                mounts.append(await self._mount(instance_id, planned))
        except BaseException:
            await asyncio.gather(*(self._mounts.delete(owned.mount.mount_id) for owned in mounts))
            raise
        return mounts

    async def _mount(self, instance_id: str, planned: PlannedMount) -> OwnedMount:
        mount, _ = await self._mounts.put(mount_id(instance_id, planned), planned.spec)
        return OwnedMount(planned, mount)

    def _check_is_free(self, mount: str) -> None:
        if any(other.mount_id == mount for other in self._mounts.all()):
            raise MountConflict(f"mount {mount!r}: is there already, and of no instance")

    def _start(self, instance: Instance, ends: InstanceEnds) -> Instance:
        take_down = functools.partial(self._release, instance.instance_id, instance.spec, ends)
        task = asyncio.create_task(instance.run(take_down), name=f"instance {instance.instance_id}")
        stay = self._stays[instance.instance_id] = _Stay(instance, ends, task)
        task.add_done_callback(lambda _: self._ended(stay))
        ends.call(instance.release)
        return instance

    def _ended(self, stay: _Stay) -> None:
        """Forget it, unless it failed: then it stays to be looked at until it is deleted or replaced."""
        stay.ends.close()
        instance = stay.instance
        if instance.state is not InstanceState.FAILED and self._stays.get(instance.instance_id) is stay:
            del self._stays[instance.instance_id]
        if not stay.task.cancelled() and (bug := stay.task.exception()) is not None:
            logs.failure(log, "instance", bug, instance=instance.instance_id)

    async def _renew(self, stay: _Stay, spec: InstanceSpec) -> None:
        instance_id = stay.instance.instance_id
        if stay.instance.spec != spec:
            raise InstanceConflict(f"instance {instance_id!r}: is live with another body")
        if spec.lease_seconds is not None:
            stay.ends.lease(spec.lease_seconds)
            await self._record(instance_id, spec, stay.ends)

    async def _release(self, instance_id: str, spec: InstanceSpec, ends: InstanceEnds) -> None:
        if ends.reason is not None:
            about = {"id": instance_id, "reason": ends.reason, "outcome": "ok"}
            await asyncio.to_thread(functools.partial(self._audit.record, "instance delete", "mows", **about))
        await self._let_go(instance_id, spec)

    async def _let_go(self, instance_id: str, spec: InstanceSpec) -> None:
        """Unmount everything, then forget it: a daemon that is killed in between goes on with the record."""
        await asyncio.gather(*(self._mounts.delete(mount_id(instance_id, planned)) for planned in spec.mounts))
        await asyncio.to_thread(_prune, spec)
        await asyncio.to_thread(self._records.remove, instance_id)

    async def _end_of_leaving(self, instance_id: str) -> None:
        stay = self._stays.get(instance_id)
        if stay is not None and stay.instance.state in LEAVING:
            await asyncio.wait({stay.task})

    async def _record(self, instance_id: str, spec: InstanceSpec, ends: InstanceEnds) -> None:
        record = InstanceRecord(instance_id, spec, ends.lease_until, ends.process_started)
        await to_the_end(self._records.write, record)


def _go_on(ends: InstanceEnds, record: InstanceRecord, now: float) -> None:
    """Take up what a daemon before has recorded at Unix time `now`, which may be that it is over."""
    spec = record.spec
    if spec.lease_seconds is not None and record.lease_until is not None:
        # Never longer than it was given for, whatever became of the wall clock.
        ends.lease(min(record.lease_until - now, spec.lease_seconds))
        ends.expire()
    if spec.process is not None and ends.reason is None:
        ends.watch_again(spec.process, record.process_started)


def _mount_ids(instance: Instance) -> Iterator[str]:
    return (mount_id(instance.instance_id, planned) for planned in instance.spec.mounts)


def _prune(spec: InstanceSpec) -> None:
    """Remove the directories that were made for the mounts of an instance; blocking.

    Each mount removes those that it made itself and found empty, which a neighbour's were not.
    """
    if not spec.own_root:
        return
    root = Path(spec.root)
    for path in (Path(planned.spec.mount_path) for planned in spec.mounts):
        with contextlib.suppress(OSError):  # not empty, or not there
            for directory in path.parents:
                if directory.is_relative_to(root):
                    directory.rmdir()
