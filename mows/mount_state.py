"""The states of a mount, and which may follow which. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class MountState(StrEnum):
    """Where a mount stands. The values are part of the REST interface."""

    PENDING = "pending"
    """Accepted; nothing was done yet."""
    MOUNTING = "mounting"
    """The source is being listed, then mounted."""
    MOUNTED = "mounted"
    """Files can be read. With an error: warming failed, and is tried again after the next refresh."""
    WARMING = "warming"
    """Files can be read, and the cache is being filled."""
    WARM = "warm"
    """Files can be read, and all of them were put into the cache."""
    FAILED = "failed"
    """It could not be mounted. The id and the path are free for another try."""
    UNMOUNTING = "unmounting"
    """On its way out."""


SUCCESSORS: Mapping[MountState, frozenset[MountState]] = MappingProxyType(
    {
        MountState.PENDING: frozenset({MountState.MOUNTING, MountState.UNMOUNTING}),
        MountState.MOUNTING: frozenset({MountState.MOUNTED, MountState.FAILED, MountState.UNMOUNTING}),
        MountState.MOUNTED: frozenset({MountState.WARMING, MountState.UNMOUNTING}),
        MountState.WARMING: frozenset({MountState.WARM, MountState.MOUNTED, MountState.UNMOUNTING}),
        MountState.WARM: frozenset({MountState.MOUNTED, MountState.UNMOUNTING}),
        MountState.FAILED: frozenset(),
        MountState.UNMOUNTING: frozenset(),
    }
)

SERVING = frozenset({MountState.MOUNTED, MountState.WARMING, MountState.WARM})
"""Files can be read."""


def advance(now: MountState, following: MountState) -> MountState:
    """`following`, if it may follow `now`. Raises ValueError otherwise: that would be a bug."""
    if following not in SUCCESSORS[now]:
        raise ValueError(f"a mount cannot go from {now} to {following}")
    return following


def is_live(state: MountState) -> bool:
    """Whether the id and the path are taken."""
    return state is not MountState.FAILED


def is_settled(state: MountState, *, wants_warm: bool, has_error: bool) -> bool:
    """Whether what was asked for has come true, or has failed: what ``?wait`` waits for."""
    if state in {MountState.FAILED, MountState.WARM, MountState.UNMOUNTING}:
        return True
    return state is MountState.MOUNTED and (has_error or not wants_warm)
