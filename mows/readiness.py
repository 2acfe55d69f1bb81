"""Whether this node can do its work: what `/readyz` answers. Blocking, but quick."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from mows.errors import NotReady

FUSE_DEVICE = Path("/dev/fuse")


def check_ready(tiers: Sequence[Path], *, fuse_device: Path = FUSE_DEVICE) -> None:
    """Raises NotReady with everything that is wrong."""
    wrong = [*_unwritable(tiers), *_no_fuse(fuse_device)]
    if wrong:
        raise NotReady("; ".join(wrong))


def _unwritable(tiers: Sequence[Path]) -> Iterator[str]:
    """Tries it, with an empty file: permission bits say nothing of a read-only or vanished file system."""
    for tier in tiers:
        probe = tier / f".ready-{uuid.uuid4().hex}"
        try:
            os.close(os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            probe.unlink()
        except OSError as error:
            yield f"tier {tier}: {error.strerror}"


def _no_fuse(device: Path) -> Iterator[str]:
    try:
        os.close(os.open(device, os.O_RDWR))
    except OSError as error:
        yield f"{device}: {error.strerror}"
