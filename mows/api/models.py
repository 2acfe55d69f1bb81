"""What goes over the wire. Names and shapes are an interface: add to them, rename nothing.

Moments are RFC 3339 in UTC, durations are seconds, sizes are bytes. `null` says that a thing does not apply or is not
known; it is never a stand-in for a number.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from mows.api.fields import LEASE_NEEDS_WARM, ONE_SELECTION, Duration, SourceText
from mows.blob_result import Result
from mows.mount_state import MountState


class Model(BaseModel):
    """Base of all: unknown fields are refused, so that a misspelt one is not silently without effect."""

    model_config = ConfigDict(extra="forbid")


class MountRequest(Model):
    """The body of ``PUT /v1/mounts/{id}``."""

    model_config = ConfigDict(json_schema_extra=LEASE_NEEDS_WARM)

    source: SourceText = Field(examples=["oss://models/qwen3-32b/"])
    mount_path: str = Field(examples=["/models/qwen3-32b"])
    warm: StrictBool = Field(
        default=False, description="Fill the cache with all files, and keep them there for `lease`."
    )
    lease: Duration | None = Field(
        default=None,
        description="How long a warm mount's files stay pinned. null: `prewarm.lease` of the configuration.",
    )
    refresh_seconds: Duration | None = Field(
        default=None, description="How often to list the source again; 0: never. null: `mounts.refresh`."
    )

    @model_validator(mode="after")
    def _lease_needs_warm(self) -> MountRequest:
        if self.lease is not None and not self.warm:
            raise ValueError("lease: only a warm mount has one; set warm to true")
        return self


class ByteCounts(Model):
    """Where bytes are, and where they came from."""

    total: int
    local: int
    """In the cache of this node now, however they got there."""
    from_peers: int
    from_origin: int
    """Fetched for this mount or prewarm since it began; bytes fetched for another are not counted again."""


class InTheWay(Model):
    """A blob that is kept in the cache where another one should go."""

    blob: str
    source: str
    bytes: int
    held_by: list[str]
    """``open``, ``user``, ``prewarm:ID`` and ``mount:ID``."""


class Failure(Model):
    """An error as part of an answer."""

    code: str
    message: str
    hint: str


class WorkFailure(Failure):
    """Why a mount or a prewarm did not come to what was asked for."""

    retryable: bool = Field(
        default=False, description="Whether it may succeed later without anybody changing anything."
    )
    in_the_way: list[InTheWay] | None = Field(
        default=None, description="For `no_space`: what is kept in the cache instead, the largest first. Else null."
    )


class Mount(Model):
    """One mount."""

    id: str
    source: str
    mount_path: str
    state: MountState
    snapshot: str | None = Field(description="Hash of the listing that is shown. Equal listings have equal hashes.")
    percent: float | None = Field(description="100 x bytes.local / bytes.total.")
    bytes: ByteCounts
    eta_seconds: float | None = Field(description="Until all bytes are local, while warming and measured; else null.")
    warm_until: datetime | None = Field(description="Until when all files are pinned by leases.")
    error: WorkFailure | None = Field(description="Why it failed, or why warming or the last refresh did not succeed.")
    warm: bool
    files: int
    hidden: int = Field(description="Keys that no file system can show. GET /v1/ls?hidden=true lists them.")
    passthrough: bool | None = Field(
        description="Whether complete files are read by the kernel alone. null: not mounted."
    )


class MountList(Model):
    """``GET /v1/mounts``."""

    mounts: list[Mount]


class BlobSelection(Model):
    """The body of ``POST /v1/cache/{pin,unpin,evict,verify}``: exactly one of the three."""

    model_config = ConfigDict(json_schema_extra=ONE_SELECTION)

    blob_ids: list[str] | None = None
    source: SourceText | None = Field(
        default=None, description="All cached blobs of objects below this source.", examples=["oss://models/qwen3-32b/"]
    )
    all: StrictBool = Field(default=False, description="All cached blobs.")

    @model_validator(mode="after")
    def _exactly_one(self) -> BlobSelection:
        if [self.blob_ids is not None, self.source is not None, self.all].count(True) != 1:
            raise ValueError("give exactly one of blob_ids, source and all")
        return self


class BlobResult(Model):
    """What became of one blob."""

    blob_id: str
    uri: str
    result: Result
    bad_chunks: list[int] = Field(default_factory=list, description="verify: chunks that were dropped.")


class BlobResults(Model):
    """The answer to ``POST /v1/cache/...``."""

    blobs: list[BlobResult]


class Blob(Model):
    """One blob in the cache."""

    blob_id: str
    uri: str
    version: str
    size_bytes: int
    resident_bytes: int
    allocated_bytes: int
    tier: str
    sealed: bool = Field(description="Whether all chunks are there and verified.")
    in_use: bool
    pinned: bool
    pinned_until: datetime | None = Field(description="null, when pinned: until somebody unpins it.")
    last_used: datetime


class BlobList(Model):
    """``GET /v1/cache/blobs``."""

    blobs: list[Blob]


class Tier(Model):
    """One tier of the cache."""

    path: str
    capacity_bytes: int
    used_bytes: int
    free_bytes: int
    blobs: int
    faults: int


class Cache(Model):
    """``GET /v1/cache``."""

    chunk_bytes: int
    tiers: list[Tier]
    evictions: int
    evicted_bytes: int
    corrupt_chunks: int
    corrupt_blobs: int
    no_space: int


class Placement(Model):
    """``GET /v1/placement``: how soon this node could serve a source from its cache."""

    node: str
    zone: str | None
    source: str
    bytes: ByteCounts
    seconds_to_ready: float | None = Field(description="0 when all is local; null when no rate was measured yet.")
    origin_bytes_per_second: float | None = Field(description="The last rate measured to this origin by warming.")


class ListedObject(Model):
    """One file below a source."""

    path: str
    uri: str
    size_bytes: int
    local_bytes: int
    version: str
    modified: datetime


class HiddenKey(Model):
    """One key that no file system can show."""

    key: str
    reason: str


class Listing(Model):
    """``GET /v1/ls``."""

    source: str
    snapshot: str
    files: int
    total_bytes: int
    hidden_count: int
    objects: list[ListedObject]
    hidden: list[HiddenKey]
    truncated: bool = Field(description="Whether there are more than `limit` objects or hidden keys.")


class Health(Model):
    """``GET /healthz`` and ``GET /readyz``."""

    status: Literal["ok"] = "ok"
    node: str
    version: str


class Dump(Model):
    """``GET /v1/debug/dump``: for people. A part that did not answer in time says so in place of its content."""

    node: str
    version: str
    pid: int
    operations: Any = Field(description="What is under way: age, time left until its deadline, thread, and about what.")
    budgets: list[dict[str, Any]]
    tiers: Any
    fetching: Any
    peers: Any
    recent: list[str] = Field(description="The last log lines of WARNING and above, the oldest first.")
    tasks: list[dict[str, Any]]
    threads: list[dict[str, Any]]
