"""The states of an instance. A leaf, as `mows.mount_state` is."""

from __future__ import annotations

from enum import StrEnum


class InstanceState(StrEnum):
    """Where an instance stands. The values are part of the REST interface."""

    PENDING = "pending"
    """Accepted; nothing was done yet."""
    MOUNTING = "mounting"
    """At least one mount is not yet what was asked for. With an error: it cannot be warmed now, but can be read."""
    READY = "ready"
    """Every mount was what was asked for. It stays so until it is released."""
    FAILED = "failed"
    """One mount failed, and all others were unmounted. The id is free for another try."""
    UNMOUNTING = "unmounting"
    """On its way out. With an error: one mount failed, and `failed` follows."""


LEAVING = frozenset({InstanceState.UNMOUNTING, InstanceState.FAILED})
