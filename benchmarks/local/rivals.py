"""The mounts others offer, of the same object from the same server: rclone and s3fs, with their caches on tmpfs.

Both read the bucket unsigned, by the part of the S3 protocol that OSS shares. Both are given what their manuals
recommend for large files that are read again: a full cache of whole files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.local.machine import which
from benchmarks.node.errors import NodeError
from benchmarks.node.oss import BUCKET
from benchmarks.node.processes import Child

START_SECONDS = 20.0


class ToolMissing(NodeError):
    """A program that is measured against is not installed; the message says how to get it."""


@dataclass(frozen=True, slots=True)
class Place:
    """What to mount, and where to keep what."""

    endpoint: str
    prefix: str
    directory: Path
    """Empty; holds the mount point, the cache and the log."""

    @property
    def target(self) -> Path:
        """The mount point."""
        return self.directory / "mount"

    @property
    def cache(self) -> Path:
        """Where the rival keeps files."""
        return self.directory / "cache"


def rclone_command(place: Place) -> list[str | Path]:
    """Mount with rclone, in the foreground."""
    remote = f":s3,provider=Other,endpoint='{place.endpoint}',force_path_style=true:{BUCKET}/{place.prefix}"
    caching: list[str | Path] = ["--vfs-cache-mode", "full", "--cache-dir", place.cache, "--max-read-ahead", "1Mi"]
    return [tool("rclone"), "mount", remote, place.target, "--read-only", "--config", "/dev/null", *caching]


def s3fs_command(place: Place) -> list[str | Path]:
    """Mount with s3fs, in the foreground."""
    options = f"public_bucket=1,url={place.endpoint},use_path_request_style,use_cache={place.cache},ro"
    return [tool("s3fs"), f"{BUCKET}:/{place.prefix}", place.target, "-f", "-o", options]


RIVALS: dict[str, Callable[[Place], list[str | Path]]] = {"rclone": rclone_command, "s3fs": s3fs_command}


class RivalMount(Child):
    """One mount by another program. Entering starts it; `wait_mounted` waits for it; leaving unmounts."""

    def __init__(self, name: str, place: Place) -> None:
        place.target.mkdir(parents=True)
        place.cache.mkdir()
        self.target = place.target
        super().__init__(name, RIVALS[name](place), place.directory)

    def wait_mounted(self) -> Path:
        """Block until it is mounted; the mount point. ChildFailed when it ends instead."""
        self.wait_until(self.target.is_mount, timeout_seconds=START_SECONDS)
        return self.target


def tool(name: str) -> Path:
    """The program `name`. Raises ToolMissing."""
    found = which(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed: run the benchmarks by `make bench`, which installs it")
    return found
