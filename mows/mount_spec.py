"""What a mount was asked to be."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MountSpec:
    """What was asked for. Two requests for one id are the same when these are equal."""

    source: str
    mount_path: str
    warm: bool = False
    lease_seconds: float | None = None
    """None: the configured default."""
    refresh_seconds: float | None = None
    """None: the configured default; 0: never."""
