"""Whether the mounts of an instance are what was asked for, and how long it will take. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cachefs.errors import SourceError
from cachefs.origin import parse_source
from mows.mount import MountStatus
from mows.mount_state import SERVING, MountState
from mows.progress import seconds_left

RateOf = Callable[[str], float | None]
"""Bytes per second last measured from an authority; None: not yet."""


def is_up(state: MountState, *, warm: bool) -> bool:
    """Whether a mount is what was asked for."""
    return state is MountState.WARM if warm else state in SERVING


def eta_seconds(mounts: Iterable[MountStatus], rate_of: RateOf) -> float | None:
    """Until the slowest mount is what was asked for; None as long as one of them cannot be told."""
    left = [_seconds_left(mount, rate_of) for mount in mounts]
    known = [seconds for seconds in left if seconds is not None]
    return max(known, default=0.0) if len(known) == len(left) else None


def _seconds_left(mount: MountStatus, rate_of: RateOf) -> float | None:
    if is_up(mount.state, warm=mount.spec.warm):
        return 0.0
    if mount.eta_seconds is not None:
        return mount.eta_seconds
    if mount.snapshot_id is None or mount.error is not None:
        return None
    try:
        authority = parse_source(mount.spec.source).authority
    except SourceError:
        return None
    return seconds_left(mount.bytes.missing, rate_of(authority))
