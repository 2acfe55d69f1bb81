"""The configuration of a daemon that lives for one ``mows mount --foreground``: everything in a place of its own.

Nothing is shared with a daemon of this node, and nothing is kept: the cache goes with the command.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cachefs.store import file_system_of, take_back
from cli.doctor.limits import meminfo_bytes
from cli.doctor.tiers import MEMORY_TYPES
from mows.config import Config, parse_config

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a tmpfs is what is wanted; the directory below it is private
MIN_MEMORY_BYTES = 1 << 30
"""Less than this in memory holds no model's largest file; then the disk is the better place."""
MEMORY_RATIO = 0.5
"""Of what is available: the other half is for the program that reads the model."""
DISK_RATIO = 0.8
"""Of what is free: the disk belongs to others, too."""


@contextmanager
def default_config(mount_path: Path, environment: Mapping[str, str]) -> Iterator[Config]:
    """A configuration that may mount on `mount_path`; ``MOWS_SECTION__KEY`` variables override it.

    Its directories are removed at the end. Raises ConfigError for a variable that cannot be used.
    """
    with tempfile.TemporaryDirectory(prefix=_prefix()) as state, _cache_directory() as (cache, capacity_bytes):
        document = {
            "node": {"state_dir": state},
            "api": {"socket": f"{state}/mows.sock"},
            "cache": {"tiers": [{"path": str(cache), "capacity": capacity_bytes}]},
            "mounts": {"allowed_roots": [str(mount_path)]},
            # Only root may let others in without being named in /etc/fuse.conf.
            "fuse": {"allow_other": os.geteuid() == 0},
            "log": {"format": "text", "level": "warning"},
        }
        # Every JSON document is a YAML document.
        yield parse_config(json.dumps(document), "the embedded daemon", environment)


@contextmanager
def _cache_directory() -> Iterator[tuple[Path, int]]:
    """A directory for the only tier, and its capacity: in memory if there is enough, else on the disk."""
    memory_bytes = 0
    if file_system_of(SHARED_MEMORY) in MEMORY_TYPES:
        memory_bytes = memory_capacity(_available_bytes(), shutil.disk_usage(SHARED_MEMORY).free)
    parent = SHARED_MEMORY if memory_bytes else Path(tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix=_prefix(), dir=parent) as directory:
        try:
            yield Path(directory), memory_bytes or int(DISK_RATIO * shutil.disk_usage(directory).free)
        finally:
            take_back(Path(directory))


def _prefix() -> str:
    """Says whose directory it is, to whoever finds one that a ``kill -9`` left."""
    return f"mows-foreground-{os.getpid()}-"


def memory_capacity(available_bytes: int, tmpfs_free_bytes: int) -> int:
    """How much a tier in memory may hold; 0 when there is too little for one."""
    capacity_bytes = int(min(MEMORY_RATIO * available_bytes, tmpfs_free_bytes))
    return capacity_bytes if capacity_bytes >= MIN_MEMORY_BYTES else 0


def _available_bytes() -> int:
    return meminfo_bytes(Path("/proc/meminfo").read_text(), "MemAvailable")
