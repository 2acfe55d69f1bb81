"""What an instance was asked to be: values only."""

from __future__ import annotations

from dataclasses import dataclass

from mows.instance_choices import ReadyWhen
from mows.mount_spec import MountSpec


@dataclass(frozen=True, slots=True)
class Ignored:
    """An entry of `storage` that is left to others."""

    number: int
    """Its place in `storage`, from 0."""
    mount_path: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedMount:
    """An entry of `storage` that becomes a mount of this node."""

    number: int
    """Its place in `storage`, from 0."""
    storage_path: str
    """Its `mount_path` there: where the instance's processes see it."""
    spec: MountSpec
    """`spec.mount_path` is where it is on this node."""


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """What was asked for. Two requests for one id are the same when these are equal."""

    mounts: tuple[PlannedMount, ...]
    ignored: tuple[Ignored, ...]
    root: str
    """Directory of this node below which the mount paths are."""
    own_root: bool = False
    """Whether `root` is this instance's alone, and goes with it."""
    ready_when: ReadyWhen = ReadyWhen.MOUNTED
    lease_seconds: float | None = None
    """None: until it is deleted, or its process or pod ends."""
    process: int | None = None
    """Process id, as this daemon sees it. None: no process ends it."""
    pod: str | None = None
    """Uid of a pod of this node. None: no pod ends it."""
    name: str | None = None
    """For people and logs."""


def mount_id(instance_id: str, mount: PlannedMount) -> str:
    """The id of a mount of an instance."""
    return f"{instance_id}.{mount.number}"
