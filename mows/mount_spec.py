"""What a mount was asked to be."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cachefs.origin import Source, parse_source


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
    keys: str = ""
    """Under which name its keys were handed over (`mows.handed_keys`); empty: those of the configuration."""


def source_of(spec: MountSpec) -> Source:
    """The source that `spec` names, with the keys that it names. Raises InvalidSource, UnknownScheme."""
    return replace(parse_source(spec.source), keys=spec.keys)
