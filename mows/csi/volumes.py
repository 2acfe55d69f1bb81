"""Publishes volumes: each is one mount, kept by `mows.mounts`. Belongs to the loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cachefs.errors import CacheError, DeadlineExceeded, InvalidTarget
from cachefs.fuse import is_mounted
from mows import logs
from mows.audit import Audit
from mows.csi.errors import TargetMissing, VolumeBusy, VolumeConflict, VolumeNotFound
from mows.csi.volume import Publication, VolumeAt
from mows.errors import MountConflict, MountNotFound, Stopping
from mows.handed_keys import HandedKeys
from mows.mount import Mount, MountStatus
from mows.mount_state import SERVING, MountState
from mows.mounts import Mounts
from mows.ports import Mounter, MountPlace
from mows.targets import resolve_target

log = logging.getLogger(__name__)

CALLER = "csi"

UNPUBLISH_SECONDS = 60.0
"""Longer than files that are still open are served after an unmount (`mounts.drain`); the kubelet waits for 120 s."""


@dataclass(frozen=True, slots=True)
class VolumeStatus:
    """A published volume at one moment."""

    mount: MountStatus
    in_place: bool
    """Whether the kernel has a mount at the path."""


class Volumes:
    """One call at a time for each volume and path; others for the same are refused with VolumeBusy."""

    def __init__(
        self,
        mounts: Mounts,
        mounter: Mounter,
        handed_keys: HandedKeys,
        audit: Audit,
        kubelet_dir: Path,
        *,
        stopping: Callable[[], bool],
        mounted: Callable[[Path], bool] = is_mounted,
    ) -> None:
        self._mounts = mounts
        self._mounter = mounter
        self._handed_keys = handed_keys
        self._audit = audit
        self._roots = (kubelet_dir,)
        self._stopping = stopping
        self._mounted = mounted
        self._busy: set[str] = set()

    async def publish(self, wanted: Publication, timeout_seconds: float) -> None:
        """Return when files can be read at the path. The same again changes nothing, but newer keys are taken.

        After `timeout_seconds`, or when cancelled, mounting goes on, and the next call waits for the rest. Raises
        VolumeConflict, VolumeBusy, TargetMissing, DeadlineExceeded, what `Mounts.put` raises, and why it failed.
        """
        volume = wanted.volume
        with self._alone(volume):
            known = self._find(volume)
            await self._make_way(wanted, known)
            created = False
            try:
                mount, created = await self._mounts.put(volume.mount_id, wanted.spec, allowed_roots=self._roots)
                if wanted.keys is not None:  # before the mount's task runs for the first time: nothing is awaited
                    self._handed_keys.hand(volume.mount_id, wanted.keys)
                await self._serving(mount, timeout_seconds)
            except MountConflict as error:
                self._record("publish", wanted.volume, wanted, VolumeConflict.code)
                raise VolumeConflict(f"volume {volume.volume_id!r}: is published there already: {error}") from error
            except CacheError as error:
                self._record("publish", volume, wanted, error.code)
                if known is None and not isinstance(error, DeadlineExceeded):
                    await self._forget(volume)  # the kubelet does not unpublish what never was
                raise
        if created:
            self._record("publish", volume, wanted, "ok")
            logs.event(log, "published", volume=volume.volume_id, path=volume.path, pod=wanted.pod)

    async def unpublish(self, volume: VolumeAt) -> None:
        """Return when nothing is mounted at the path, and the directory is gone. Also where there never was anything.

        Raises VolumeBusy, TargetNotAllowed, InvalidTarget when something of others is there, MountError, Stopping.
        """
        with self._alone(volume):
            path = await asyncio.to_thread(resolve_target, volume.path, self._roots)
            known = self._find(volume)
            if not await self._mounts.delete(volume.mount_id, wait_seconds=UNPUBLISH_SECONDS):
                raise VolumeBusy(f"volume {volume.volume_id!r}: is still being unmounted from {volume.path}")
            self._handed_keys.forget(volume.mount_id)
            await asyncio.to_thread(self._clear, volume, path)
        if known is not None:
            self._record("unpublish", volume, None, "ok")
            logs.event(log, "unpublished", volume=volume.volume_id, path=volume.path)

    async def status(self, volume: VolumeAt) -> VolumeStatus:
        """Raises VolumeNotFound."""
        mount = self._find(volume)
        if mount is None:
            raise VolumeNotFound(f"volume {volume.volume_id!r}: is not published at {volume.path}")
        in_place = await asyncio.to_thread(self._mounted, mount.target)
        return VolumeStatus(await mount.status(), in_place)

    def _find(self, volume: VolumeAt) -> Mount | None:
        try:
            return self._mounts.get(volume.mount_id)
        except MountNotFound:
            return None

    @contextlib.contextmanager
    def _alone(self, volume: VolumeAt) -> Iterator[None]:
        if self._stopping():  # what is left to the next daemon must not be taken apart by this one
            raise Stopping("the daemon is stopping")
        if volume.mount_id in self._busy:
            raise VolumeBusy(f"volume {volume.volume_id!r}: another call for {volume.path} has not ended")
        self._busy.add(volume.mount_id)
        try:
            yield
        finally:
            self._busy.discard(volume.mount_id)

    async def _make_way(self, wanted: Publication, known: Mount | None) -> None:
        """Take away what would be in the way, and is nobody's: what a lost daemon, or a person, left behind."""
        path = await asyncio.to_thread(resolve_target, wanted.volume.path, self._roots)
        if not await asyncio.to_thread(path.parent.is_dir):
            raise TargetMissing(f"target_path: {path.parent} does not exist where this daemon runs")
        if known is None:
            place = MountPlace(wanted.volume.mount_id, path, wanted.spec.source)
            await asyncio.to_thread(self._mounter.take_away, place)
        elif known.state in SERVING and not await asyncio.to_thread(self._mounted, path):
            logs.warn(log, "somebody has unmounted a volume; it is mounted again", path=str(path))
            await self._mounts.delete(wanted.volume.mount_id, wait_seconds=UNPUBLISH_SECONDS)

    async def _serving(self, mount: Mount, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                while mount.state not in SERVING:
                    await self._still_coming(mount)
                    await mount.changed()
        except TimeoutError:
            raise DeadlineExceeded(
                f"{mount.source.uri}: not listed and mounted within {timeout_seconds:.0f} s; it goes on",
                hint="the kubelet calls again by itself; if it lasts, look at the origin",
            ) from None

    async def _still_coming(self, mount: Mount) -> None:
        if mount.state is MountState.FAILED:
            raise (await mount.status()).error or VolumeBusy(f"{mount.target}: failed")
        if mount.state is MountState.UNMOUNTING:
            raise VolumeBusy(f"{mount.target}: is being unmounted")

    async def _forget(self, volume: VolumeAt) -> None:
        await self._mounts.delete(volume.mount_id, wait_seconds=UNPUBLISH_SECONDS)
        self._handed_keys.forget(volume.mount_id)

    def _clear(self, volume: VolumeAt, path: Path) -> None:
        self._mounter.take_away(MountPlace(volume.mount_id, path, ""))
        if self._mounted(path):
            raise InvalidTarget(f"{path}: something else is mounted there", hint=f"unmount it: umount {path}")
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise InvalidTarget(f"{path}: cannot be removed: {error.strerror}", hint="look at what is in it") from error

    def _record(self, action: str, volume: VolumeAt, wanted: Publication | None, outcome: str) -> None:
        about = {} if wanted is None else {"source": wanted.spec.source, "pod": wanted.pod}
        self._audit.record(
            f"csi {action}", CALLER, volume=volume.volume_id, mount_path=volume.path, outcome=outcome, **about
        )
