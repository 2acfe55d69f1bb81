"""All mounts of this node: who may have which id and path, and their tasks."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cachefs.errors import SourceError
from cachefs.origin import Source
from mows import logs
from mows.errors import InvalidRequest, MountConflict, MountNotFound, MountPathInUse, Stopping
from mows.mount import Mount, MountServices
from mows.mount_records import MountRecord
from mows.mount_spec import MountSpec, source_of
from mows.mount_state import MountState, is_live
from mows.targets import resolve_target

log = logging.getLogger(__name__)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class Mounts:
    """Belongs to the loop. Owns one task per mount; `close` ends them all."""

    def __init__(
        self,
        services: MountServices,
        allowed_roots: Sequence[Path],
        check_source: Callable[[Source], None] = lambda _: None,
    ) -> None:
        """`check_source` raises for what may not be mounted; see `mows.source_policy`."""
        self._services = services
        self._check_source = check_source
        self._allowed_roots = tuple(allowed_roots)
        self._mounts: dict[str, Mount] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._admission = asyncio.Lock()  # guards the checks that lead to a new mount: one at a time
        self._stopping = False
        self.adopted = 0
        """Mounts of an earlier daemon that went on without a break for their readers."""

    def all(self) -> list[Mount]:
        """Every mount, failed ones too, by id."""
        return [self._mounts[mount_id] for mount_id in sorted(self._mounts)]

    def get(self, mount_id: str) -> Mount:
        """Raises MountNotFound."""
        try:
            return self._mounts[mount_id]
        except KeyError:
            raise MountNotFound(f"mount {mount_id!r}: there is none") from None

    async def restore(self) -> None:
        """Go on with the mounts of an earlier daemon of this boot. Returns when each is served, or turned out lost."""
        records = await asyncio.to_thread(self._services.records.found)
        await asyncio.to_thread(self._services.mounter.sweep, [record.mount_id for record in records])
        restored = [mount for record in records if (mount := self._restored(record)) is not None]
        for mount in restored:
            self._start(mount)
        self.adopted = [await mount.taken_up() for mount in restored].count(True)

    async def put(
        self, mount_id: str, spec: MountSpec, *, allowed_roots: Sequence[Path] | None = None
    ) -> tuple[Mount, bool]:
        """The mount that `spec` asks for, and whether it was made now. Returns before it is mounted.

        A live mount with an equal spec is left as it is; a failed one is replaced. `allowed_roots` take the place of
        the configured ones. Raises MountConflict, MountPathInUse, InvalidRequest, TargetNotAllowed, Stopping, and what
        can be told about source and target without asking the origin: InvalidSource, UnknownScheme, SourceNotAllowed,
        InvalidTarget.
        """
        while True:
            await self._end_of_leaving(mount_id)
            async with self._admission:
                if self._stopping:
                    raise Stopping(f"mount {mount_id!r}: the daemon is stopping")
                existing = self._mounts.get(mount_id)
                if existing is None or self._has_ended(mount_id):
                    mount = await self._admit(mount_id, spec, allowed_roots or self._allowed_roots)
                    self._start(mount)
                    return mount, True
                if is_live(existing.state) and existing.state is not MountState.UNMOUNTING:
                    return _same(existing, spec), False

    async def delete(self, mount_id: str, *, wait_seconds: float | None = None) -> bool:
        """Unmount, end the lease, forget the mount. Returns when it is gone, or False after `wait_seconds`.

        True when there was none. The path is free at once; the mount is gone when its last open file was closed, or
        was given up on after the drain time.
        """
        mount = self._mounts.get(mount_id)
        if mount is None:
            return True
        task = self._tasks[mount_id]
        mount.leave()
        task.cancel()
        await self._services.pins.release(mount.holder)
        done, _ = await asyncio.wait({task}, timeout=wait_seconds)
        if done and self._mounts.get(mount_id) is mount:
            del self._mounts[mount_id], self._tasks[mount_id]
        return bool(done)

    async def close(self, *, hand_over: bool = False) -> None:
        """Unmount everything, at the same time, and take no more. Leases stay: the next daemon finds the files.

        With `hand_over`, what a keeper holds is not unmounted: its readers wait for the next daemon.
        """
        self._stopping = True
        tasks = set(self._tasks.values())
        for mount in self._mounts.values():
            mount.leave(hand_over=hand_over)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _restored(self, record: MountRecord) -> Mount | None:
        """Without the checks of `_admit`: it was let in once, and is in use."""
        try:
            source = source_of(record.spec)
        except SourceError as error:  # a later version knew it
            logs.failure(log, "restore", error, mount=record.mount_id, source=record.spec.source)
            return None
        return Mount(record.mount_id, record.spec, source, record.target, self._services, restored=True)

    def _start(self, mount: Mount) -> None:
        task = asyncio.create_task(mount.run(), name=f"mount {mount.mount_id}")
        self._mounts[mount.mount_id], self._tasks[mount.mount_id] = mount, task
        task.add_done_callback(lambda _: self._ended(mount))

    def _ended(self, mount: Mount) -> None:
        """Forget it, unless it failed: then it stays to be looked at until it is deleted or replaced."""
        if mount.state is not MountState.FAILED and self._mounts.get(mount.mount_id) is mount:
            del self._mounts[mount.mount_id], self._tasks[mount.mount_id]
            logs.event(log, "left to the next daemon" if mount.handed_over else "unmounted", mount=mount.mount_id)

    def _has_ended(self, mount_id: str) -> bool:
        return self._tasks[mount_id].done()

    async def _end_of_leaving(self, mount_id: str) -> None:
        """Wait until a mount of this id that failed or is on its way out has let go of everything."""
        mount = self._mounts.get(mount_id)
        if mount is not None and mount.state in {MountState.FAILED, MountState.UNMOUNTING}:
            await asyncio.wait({self._tasks[mount_id]})

    async def _admit(self, mount_id: str, spec: MountSpec, allowed_roots: Sequence[Path]) -> Mount:
        if not _ID.fullmatch(mount_id):
            raise InvalidRequest(
                f"mount id {mount_id!r}: is not a name", hint="use up to 128 letters, digits, '.', '_' and '-'"
            )
        source = source_of(spec)
        await asyncio.to_thread(self._check_source, source)
        target = await asyncio.to_thread(resolve_target, spec.mount_path, allowed_roots)
        _check_path_is_free(target, mount_id, self._mounts.values())
        await asyncio.to_thread(self._services.mounter.check, target)
        return Mount(mount_id, spec, source, target, self._services)


def _same(mount: Mount, spec: MountSpec) -> Mount:
    if mount.spec != spec:
        raise MountConflict(
            f"mount {mount.mount_id!r}: is live with another body: {mount.spec.source} on {mount.spec.mount_path}"
        )
    return mount


def _check_path_is_free(target: Path, mount_id: str, mounts: Iterable[Mount]) -> None:
    for mount in mounts:
        if mount.mount_id == mount_id or not is_live(mount.state):
            continue
        if target.is_relative_to(mount.target) or mount.target.is_relative_to(target):
            raise MountPathInUse(f"mount_path {str(target)!r}: mount {mount.mount_id!r} is on {mount.target}")
