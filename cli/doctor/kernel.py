"""The kernel's side: its version, the FUSE device, the right to mount, the largest request."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from cli.doctor.finding import Finding, fail, ok, warn
from cli.units import size_text

PASSTHROUGH_SINCE = (6, 9)
"""Also the first with FUSE_NOTIFY_RESEND (include/uapi/linux/fuse.h, protocol 7.40)."""
OLDEST = (5, 10)
"""The oldest kernel seen on GPU fleets, and the oldest this is meant for."""
CAP_SYS_ADMIN = 21
WANTED_PAGES = 256
"""1 MiB per request: what the daemon asks for in INIT, and the kernel's own default limit."""

FUSE_DEVICE = Path("/dev/fuse")
MAX_PAGES_LIMIT = Path("/proc/sys/fs/fuse/max_pages_limit")


def probe() -> Iterator[Finding]:
    """All checks of this module, on this node."""
    yield kernel_version(os.uname().release)
    yield fuse_device(_try_open(FUSE_DEVICE), FUSE_DEVICE)
    yield right_to_mount(has_sys_admin(Path("/proc/self/status").read_text()), shutil.which("fusermount3"))
    yield max_pages(int(MAX_PAGES_LIMIT.read_text()) if MAX_PAGES_LIMIT.exists() else None)


def kernel_version(release: str) -> Finding:
    """Whether a kernel of this `release` (``uname -r``) can serve mounts, and fast."""
    found = re.match(r"(\d+)\.(\d+)", release)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    if version >= PASSTHROUGH_SINCE:
        return ok("kernel", f"Linux {release}: has FUSE passthrough and request resending")
    since = ".".join(map(str, PASSTHROUGH_SINCE))
    if version >= OLDEST:
        return warn(
            "kernel",
            f"Linux {release}: no FUSE passthrough, every read goes through the daemon",
            f"Linux {since} or later reads cached files at the speed of the file itself",
        )
    return fail("kernel", f"Linux {release}: too old", f"use Linux {since} or later; {OLDEST[0]}.{OLDEST[1]} at least")


def fuse_device(error: OSError | None, path: Path) -> Finding:
    """`error` is what opening the device gave."""
    if error is None:
        return ok("fuse device", f"{path} opens")
    if isinstance(error, FileNotFoundError):
        remedy = "run `modprobe fuse`; in a container, hand the device in (privileged, or a device plugin)"
    else:
        remedy = "run as root, or give this user the device: chmod 0666 /dev/fuse"
    return fail("fuse device", f"{path}: {error.strerror}", remedy)


def right_to_mount(has_capability: bool, fusermount: str | None) -> Finding:  # noqa: FBT001 - a fact, not a switch
    """CAP_SYS_ADMIN mounts by itself and may use passthrough; `fusermount` (its path) mounts without it."""
    if has_capability:
        return ok("right to mount", "CAP_SYS_ADMIN")
    if fusermount is not None:
        return warn(
            "right to mount",
            f"no CAP_SYS_ADMIN: mounts by {fusermount}, without passthrough",
            "run the daemon with CAP_SYS_ADMIN to read cached files at full speed",
        )
    return fail("right to mount", "neither CAP_SYS_ADMIN nor fusermount3", "run as root, or install the package fuse3")


def max_pages(limit: int | None) -> Finding:
    """`limit` is fs.fuse.max_pages_limit, None before Linux 6.13."""
    if limit is None or limit >= WANTED_PAGES:
        shown = "" if limit is None else f" (fs.fuse.max_pages_limit = {limit})"
        return ok("request size", f"up to {size_text(WANTED_PAGES * 4096)} per read{shown}")
    return warn(
        "request size",
        f"fs.fuse.max_pages_limit = {limit}: reads are cut into {size_text(limit * 4096)}",
        f"sysctl fs.fuse.max_pages_limit={WANTED_PAGES}",
    )


def has_sys_admin(status: str) -> bool:
    """Whether ``/proc/self/status`` grants CAP_SYS_ADMIN."""
    found = re.search(r"^CapEff:\s*([0-9a-f]+)", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> CAP_SYS_ADMIN & 1)


def _try_open(path: Path) -> OSError | None:
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return error
    return None
