"""The kernel side of mounts: `MountedFileSystem` served by `FuseMount`, as the ports want them."""

from __future__ import annotations

from pathlib import Path

from cachefs.fs import Account, FileCache, MountedFileSystem, Snapshot
from cachefs.fuse import FuseMount, FuseStatistics, MountOptions, check_target
from cachefs.ports import Origin


class FuseMounter:
    """Implements `mows.ports.Mounter`."""

    def __init__(self, cache: FileCache, options: MountOptions) -> None:
        self._cache = cache
        self._options = options

    def check(self, target: Path) -> None:
        """See `Mounter.check`."""
        check_target(target)

    def mount(
        self, target: Path, snapshot: Snapshot, origin: Origin, *, source: str, account: Account
    ) -> FuseKernelMount:
        """See `Mounter.mount`."""
        fs = MountedFileSystem(snapshot, origin, self._cache, source=source, account=account)
        fuse = FuseMount(fs, target, self._options)
        fuse.start()
        return FuseKernelMount(fs, fuse)


class FuseKernelMount:
    """Implements `mows.ports.KernelMount`."""

    def __init__(self, fs: MountedFileSystem, fuse: FuseMount) -> None:
        self._fs = fs
        self._fuse = fuse

    @property
    def passthrough(self) -> bool:
        """See `KernelMount.passthrough`."""
        return self._fuse.passthrough

    def show(self, snapshot: Snapshot) -> None:
        """See `KernelMount.show`."""
        stale = self._fs.swap(snapshot)
        for ino in stale.inodes:
            self._fuse.invalidate_inode(ino)
        for parent, name in stale.entries:
            self._fuse.invalidate_entry(parent, name)

    def statistics(self) -> FuseStatistics:
        """See `KernelMount.statistics`."""
        return self._fuse.statistics()

    def stop(self, *, timeout_seconds: float) -> None:
        """See `KernelMount.stop`."""
        self._fuse.stop(timeout_seconds=timeout_seconds)
        self._fs.close()
