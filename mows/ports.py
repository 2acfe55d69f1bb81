"""What the daemon's services need of the cache, as small seams. The composition root fills them; tests use twins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cachefs.fetch.pace import Pace
from cachefs.fs import Account, FileNode, Shown, Snapshot
from cachefs.fuse.statistics import FuseStatistics
from cachefs.origin import Source
from cachefs.ports import Origin
from cachefs.types import BlobId, ObjectInfo, Priority


class ObjectCache(Protocol):
    """The cache by objects (`cachefs.fetch.Fetcher`)."""

    def blob_id(self, info: ObjectInfo) -> BlobId:
        """The blob that caches this object, whether it exists yet or not."""
        ...

    def resident_bytes(self, info: ObjectInfo) -> int:
        """Bytes of this object in the cache now. Any thread."""
        ...

    async def warm(
        self,
        info: ObjectInfo,
        origin: Origin,
        *,
        account: Account,
        priority: Priority = Priority.PREWARM,
        pace: Pace | None = None,
    ) -> None:
        """Fetch what is missing, from the origin no faster than `pace` says. Can be cancelled.

        Raises the CacheError that stopped it.
        """
        ...


class Pinning(Protocol):
    """What keeps blobs from eviction. Pins do not survive the process. Any thread."""

    def admit(self, infos: Sequence[ObjectInfo], holder: str) -> None:
        """Promise room for these objects to `holder`, until `dismiss`. Quick; not on the loop.

        Raises NoSpace when they would not all fit beside what is open or pinned, or promised to others.
        """
        ...

    def dismiss(self, holder: str) -> None:
        """Undo `admit`. Without effect when nothing was promised. Quick."""
        ...

    def pin_object(self, info: ObjectInfo) -> BlobId:
        """Pin the blob of this object; an empty one is made when there is none. Blocks on the disk. StoreError."""
        ...

    def pin(self, blob_id: BlobId) -> bool:
        """Pin a blob; False when it is not in the cache. Quick."""
        ...

    def unpin(self, blob_id: BlobId) -> None:
        """Let it go. Without effect when it is not pinned, or not here. Quick."""
        ...


class Origins(Protocol):
    """Open origins, shared by all that use the same one."""

    def use(self, source: Source) -> AbstractContextManager[Origin]:
        """The origin of `source`, open as long as anybody uses it. Entering and leaving may block: not on the loop."""
        ...


@dataclass(frozen=True, slots=True)
class MountPlace:
    """Which mount, of what, where."""

    mount_id: str
    target: Path
    source: str
    """The URI."""


class KernelMount(Protocol):
    """One live mount. Blocking: not on the loop."""

    @property
    def passthrough(self) -> bool:
        """Whether complete files are read by the kernel alone."""
        ...

    def kept(self) -> bool:
        """Whether a keeper holds it now, so that it can outlive this daemon. Asks the keeper; blocks for seconds."""
        ...

    def show(self, snapshot: Snapshot) -> None:
        """Show another listing from now on."""
        ...

    def unlisted_after(self, snapshot: Snapshot) -> tuple[FileNode, ...]:
        """The files that may be open once `snapshot` is shown, though it does not list them."""
        ...

    def statistics(self) -> FuseStatistics:
        """What was done so far. Quick, from any thread."""
        ...

    def stop(self, *, timeout_seconds: float) -> None:
        """Unmount at once, serve files that are still open for this long at most, release everything."""
        ...

    def leave(self, *, timeout_seconds: float) -> None:
        """Stop serving and release everything, but leave the mount to the next daemon. Readers wait for that one."""
        ...


class Mounter(Protocol):
    """Makes kernel mounts. Blocking: not on the loop."""

    def check(self, target: Path) -> None:
        """Raises InvalidTarget unless `target` is, or can be made, an empty directory that nothing is mounted on."""
        ...

    def mount(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> KernelMount:
        """Mount; on return files can be read. Makes the directory if need be. Raises MountError."""
        ...

    def take_over(self, place: MountPlace, shown: Shown, origin: Origin, account: Account) -> KernelMount | None:
        """Go on with a mount that an earlier daemon made and a keeper holds; None when there is none that lives."""
        ...

    def take_away(self, place: MountPlace) -> None:
        """Unmount what an earlier daemon left at this place, if anything. Raises MountError."""
        ...

    def sweep(self, known: Collection[str]) -> None:
        """Unmount what a keeper holds of mounts that are not `known`: they were being unmounted when a daemon died."""
        ...
