"""``/v1/instances`` over the wire. As `mows.api.models`: add to names and shapes, rename nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from mows.api.fields import Duration
from mows.api.models import Model, Mount, WorkFailure
from mows.instance_choices import ReadyWhen, Writable
from mows.instance_state import InstanceState

POD_UID = r"^[0-9A-Za-z][0-9A-Za-z-]{0,63}$"

LARGEST_PID = (1 << 22) - 1
"""Linux's own limit (proc(5), pid_max)."""


class InstanceOptions(Model):
    """What MoWS needs to know beyond an EAS service JSON."""

    ready: ReadyWhen = Field(
        default=ReadyWhen.MOUNTED, description="What counts as ready: files can be read, or all of them are cached."
    )
    lease: Duration | None = Field(
        default=None,
        description="The instance is released when this time has passed since the last PUT. null: it has no end.",
    )
    root: str | None = Field(
        default=None,
        description="Directory of this node below which the mount paths are made. null: a directory named as the "
        "instance, in the first of `mounts.allowed_roots`.",
    )
    process: Annotated[int, Field(ge=1, le=LARGEST_PID)] | None = Field(
        default=None, description="Process id, as the daemon sees it. The instance is released when it has ended."
    )
    pod: Annotated[str, Field(pattern=POD_UID)] | None = Field(
        default=None,
        description="Uid of a pod of this node (`metadata.uid`). The instance is released when it has "
        "ended and the kubelet has cleaned up after it.",
    )
    writable: Writable = Field(
        default=Writable.REFUSE,
        description="What becomes of entries with `readOnly: false`: `refuse` the instance, mount them `read_only`, "
        "or `ignore` them.",
    )


class InstanceRequest(BaseModel):
    """The body of ``PUT /v1/instances/{id}``: an EAS service JSON as it is, and `mows`. Other fields have no effect."""

    model_config = ConfigDict(extra="allow")

    name: str | None = Field(default=None, examples=["qwen3-32b"])
    storage: list[dict[str, JsonValue]] = Field(
        default_factory=list,
        examples=[[{"mount_path": "/mnt/model/", "oss": {"path": "oss://models/qwen3-32b/", "readOnly": True}}]],
    )
    mows: InstanceOptions = Field(default_factory=InstanceOptions)


class InstanceMount(Mount):
    """A mount of an instance."""

    storage_path: str = Field(
        description="`mount_path` of the entry in `storage`: where the instance's processes see it."
    )


class IgnoredStorage(Model):
    """An entry of `storage` that is left to others."""

    mount_path: str
    kind: str
    reason: str


class InstanceFailure(WorkFailure):
    """Why an instance failed, or is not warm."""

    storage_path: str = Field(description="The `mount_path` in `storage` of the mount that it is about.")


class Instance(Model):
    """One instance."""

    id: str
    name: str | None
    state: InstanceState
    ready: bool
    eta_seconds: float | None = Field(
        description="Until the slowest mount is what was asked for, by measured rates; null: not known."
    )
    lease_until: datetime | None
    process: int | None
    pod: str | None
    root: str
    mounts: list[InstanceMount]
    ignored: list[IgnoredStorage]
    error: InstanceFailure | None


class InstanceList(Model):
    """``GET /v1/instances``."""

    instances: list[Instance]
