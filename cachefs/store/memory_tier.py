"""A memory tier gets a tmpfs of its own, with huge pages.

A tier on tmpfs costs most of its time for pages of 4 KiB, one by one: writing 1 GiB in pieces of 2 MiB ran at 3 GB/s
into ``/dev/shm`` and at 23 GB/s into a tmpfs with ``huge=within_size`` on the same machine, reading at 6 and 30 GB/s
(`python -m benchmarks.huge_pages`). The host's own tmpfs is not ours to remount, so the tier's directory gets one.

In a virtual machine whose host takes free pages back, a huge page is the one that was taken, and its first use waits
for the host: cold reads ran at 0.55 GB/s with huge pages and at 0.9 without, after a pause of 4 s. Such a machine is
told apart by `host_takes_free_pages`. Machines with GPUs passed through are none: their memory is pinned.

It outlives the daemon, like the blobs in it: that is what a warm restart lives on. ``umount`` of the tier's directory
gives the memory back.
"""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from cachefs.store.file_systems import file_system_of, nearest_existing, unescaped

log = logging.getLogger(__name__)

HUGE_PAGE_BYTES = 2 << 20
SLACK_BYTES = 64 << 20
"""Above the capacity, for indexes and directories: the store holds the capacity, the size of the tmpfs is a guard."""

VIRTIO_DEVICES = Path("/sys/bus/virtio/devices")
_BALLOON = "0x0005"
_FREE_PAGE_REPORTING = 5
"""Device id and feature bit, from the kernel's ``virtio_ids.h`` and ``virtio_balloon.h``."""

NAME = "mows-memory-tier"
"""How the mount shows in ``mount`` and /proc/self/mountinfo."""

_MOUNT_SECONDS = 30


def host_takes_free_pages(devices: Path = VIRTIO_DEVICES) -> bool:
    """Whether this is a virtual machine that reports its free pages to its host, which then takes them away."""
    for balloon in devices.glob("*/device"):
        features = balloon.with_name("features").read_text() if balloon.read_text().strip() == _BALLOON else ""
        if features[_FREE_PAGE_REPORTING : _FREE_PAGE_REPORTING + 1] == "1":
            return True
    return False


def give_huge_pages(path: Path, capacity_bytes: int, chunk_bytes: int) -> bool:
    """Mount a tmpfs with huge pages on the directory `path` of a tier that is new and on tmpfs. True if it has one now.

    Does nothing for a tier on disk, for chunks that are no multiple of a huge page (a whole page would be allocated for
    them), for a directory in use, for a tmpfs smaller than the tier, and where mounting is not allowed: the tier works
    without. Blocks.
    """
    if chunk_bytes % HUGE_PAGE_BYTES:
        return False
    if path.is_mount():
        return _is_ours(path) and _mount(path, capacity_bytes, "remount")
    if not _is_new(path) or not _has_room(path, capacity_bytes):
        return False
    path.mkdir(parents=True, exist_ok=True)
    return _mount(path, capacity_bytes, "rw")


def take_back(path: Path) -> None:
    """Unmount what `give_huge_pages` mounted on `path`, with all that is in it; no harm if it did not. Blocks."""
    if _is_ours(path):
        subprocess.run(["umount", str(path)], timeout=_MOUNT_SECONDS, check=True)  # noqa: S603, S607 fixed words


def _is_new(path: Path) -> bool:
    try:
        return not os.listdir(path)
    except FileNotFoundError:
        return True
    except OSError:  # whatever it is, opening the tier says so
        return False


def _has_room(path: Path, capacity_bytes: int) -> bool:
    """Whether the tier would lie on a tmpfs that is large enough. Opening the tier reports one that is not."""
    space = os.statvfs(nearest_existing(path))
    return file_system_of(path) == "tmpfs" and space.f_blocks * space.f_frsize >= capacity_bytes


def _is_ours(path: Path) -> bool:
    mounts = os.fsdecode(Path("/proc/self/mounts").read_bytes()).split("\n")
    mounted = [[unescaped(field) for field in line.split(" ")[:2]] for line in mounts]
    return [NAME, str(path)] in mounted


def _mount(path: Path, capacity_bytes: int, how: str) -> bool:
    options = f"{how},size={capacity_bytes + SLACK_BYTES},mode=0700,huge=within_size"
    command = ["mount", "-t", "tmpfs", "-o", options, NAME, str(path)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_MOUNT_SECONDS, check=False)  # noqa: S603 fixed words and a configured path
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("tier %s: no huge pages: %s", path, error)
        return False
    if done.returncode:
        log.info("tier %s: no huge pages: %s", path, done.stderr.strip())
        return False
    log.info("tier %s: on a tmpfs of its own with huge pages", path)
    return True
