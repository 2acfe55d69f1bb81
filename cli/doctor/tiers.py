"""The cache's directories: whether they can be written, are large enough, and are what they seem."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cachefs.store import file_system_of, nearest_existing
from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import size_text

MEMORY_TYPES = frozenset({"tmpfs", "ramfs"})
NETWORK_TYPES = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "9p", "fuse", "fuseblk", "lustre"})


@dataclass(frozen=True, slots=True)
class Tier:
    """One tier as configured."""

    path: Path
    capacity_bytes: int
    min_free_bytes: int


@dataclass(frozen=True, slots=True)
class Directory:
    """What the kernel says about a tier's directory, or about its nearest parent while it does not exist yet.

    `identity` is (device, inode), None while it does not exist. `error` is what writing a file there gave.
    """

    existing: Path
    identity: tuple[int, int] | None
    file_system: str
    size_bytes: int
    free_bytes: int
    error: str | None


def probe(tiers: Sequence[Tier]) -> Iterator[Finding]:
    """All checks of this module for `tiers`."""
    directories = [look(tier.path) for tier in tiers]
    for tier, directory in zip(tiers, directories, strict=True):
        yield check(tier, directory)
    yield from duplicates(tiers, directories)


def check(tier: Tier, found: Directory) -> Finding:
    """The most serious thing about one tier."""
    name = f"tier {tier.path}"
    if found.error is not None:
        return fail(name, f"cannot write to {found.existing}: {found.error}", "create it for the daemon's user")
    if tier.capacity_bytes > found.size_bytes:
        return fail(name, _too_large(tier, found), _room_remedy(tier, found))
    if tier.min_free_bytes >= found.size_bytes:
        text = f"min_free {size_text(tier.min_free_bytes)} leaves nothing of {size_text(found.size_bytes)}"
        return fail(name, text, "lower min_free")
    if found.file_system in NETWORK_TYPES:
        remedy = "put the tier on a local disk (ext4, xfs) or on tmpfs"
        return warn(name, f"{found.file_system} is a network file system: slower than the peers it replaces", remedy)
    if found.file_system == "overlay":
        text = "overlay: the kernel stacks no passthrough on it, and it is thrown away with the container"
        return warn(name, text, "mount a volume of the host there")
    if found.free_bytes < tier.min_free_bytes:
        text = f"{size_text(found.free_bytes)} free, below min_free {size_text(tier.min_free_bytes)}: blobs are evicted"
        return warn(name, text, "free space on this file system, or lower min_free")
    return ok(name, f"{size_text(tier.capacity_bytes)} of {size_text(found.size_bytes)} {found.file_system}, writable")


def _too_large(tier: Tier, found: Directory) -> str:
    room = f"{found.file_system}, {size_text(found.size_bytes)}"
    return f"capacity {size_text(tier.capacity_bytes)} is larger than its {room}"


def _room_remedy(tier: Tier, found: Directory) -> str:
    if found.file_system not in MEMORY_TYPES:
        return "lower the capacity, or name a directory on a larger file system"
    mebibytes = -(-tier.capacity_bytes // (1 << 20))
    return f"lower the capacity, or `mount -o remount,size={mebibytes}M` this tmpfs; in a pod, an emptyDir of Memory"


def duplicates(tiers: Sequence[Tier], directories: Sequence[Directory]) -> Iterator[Finding]:
    """A finding for every tier whose directory is that of one before it, by whatever name."""
    seen: dict[object, Path] = {}
    for tier, directory in zip(tiers, directories, strict=True):
        key = directory.identity or tier.path.resolve()
        if key in seen:
            yield fail(f"tier {tier.path}", f"the same directory as tier {seen[key]}", "give each tier its own")
        seen.setdefault(key, tier.path)


def memory_bytes(tiers: Sequence[Tier]) -> int:
    """The capacity of all tiers that lie in memory."""
    return sum(tier.capacity_bytes for tier in tiers if file_system_of(tier.path) in MEMORY_TYPES)


def look(path: Path) -> Directory:
    """Look at a tier's directory. Writes and removes one empty file there; creates no directory."""
    existing = nearest_existing(path)
    status = existing.stat()
    space = os.statvfs(existing)
    return Directory(
        existing=existing,
        identity=(status.st_dev, status.st_ino) if existing == path else None,
        file_system=file_system_of(path),
        size_bytes=space.f_blocks * space.f_frsize,
        free_bytes=space.f_bavail * space.f_frsize,
        error=_try_write(existing),
    )


def _try_write(directory: Path) -> str | None:
    try:
        tempfile.TemporaryFile(dir=directory).close()
    except OSError as error:
        return error.strerror or str(error)
    return None
