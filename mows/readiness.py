"""Whether this node can do its work: what `/readyz` answers. Blocking, but quick."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from cachefs.store import StoreStatistics
from mows.errors import NotReady

FUSE_DEVICE = Path("/dev/fuse")


def check_ready(store: Callable[[], StoreStatistics], *, fuse_device: Path = FUSE_DEVICE) -> None:
    """Raises NotReady with everything that is wrong: a tier that takes no bytes, though reads go on without it."""
    in_trouble = [f"tier {tier.path}: {tier.trouble}" for tier in store().tiers if tier.trouble]
    wrong = [*in_trouble, *_no_fuse(fuse_device)]
    if wrong:
        raise NotReady("; ".join(wrong))


def _no_fuse(device: Path) -> Iterator[str]:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError as error:
        yield f"{device}: {error.strerror}"
