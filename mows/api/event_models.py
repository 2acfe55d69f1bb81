"""What ``GET /v1/events`` sends: one document of everything that the status page shows."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from mows.api.models import Cache, Model, Mount
from mows.api.peer_models import Peers
from mows.api.prewarm_models import Prewarm
from mows.causes import Cause


class NodeNow(Model):
    """The daemon that speaks."""

    node: str
    zone: str | None
    version: str
    uptime_seconds: float
    stopping: bool


class OriginNow(Model):
    """One origin, as this node sees it now."""

    name: str
    running: int = Field(description="Requests in flight.")
    limit: int = Field(description="The most that it should see at a time, as learned.")
    down: bool = Field(description="It fails so often that it is only probed.")


class Fetching(Model):
    """What is on its way into the cache. Bytes are since the daemon began."""

    from_origin: int
    from_peers: int
    waiting_reads: int = Field(description="Reads that wait now.")
    retries: int
    throttles: int
    origins: list[OriginNow]


class LoadBytes(Model):
    """Bytes of one mount, since it was mounted."""

    origin: int = Field(description="Fetched for it from the origin.")
    peers: int = Field(description="Fetched for it from peers.")
    delivered: int = Field(description="Handed to the kernel by the daemon, whether they had to be fetched or not.")


class Explanation(Model):
    """``GET /v1/mounts/{id}/explain``."""

    id: str
    elapsed_seconds: float = Field(description="From the first read of the load to its last answer.")
    seconds: dict[Cause, float] = Field(description="What these seconds went into; their sum is `elapsed_seconds`.")
    bound_by: Cause | None = Field(description="What took most of them. null: nothing was read through the daemon.")
    sentence: str
    bytes: LoadBytes
    passthrough_opens: int = Field(description="Opens whose reads the kernel serves by itself, unseen by the daemon.")


class RecentFailure(Model):
    """What went wrong lately. Equal ones in a row are one, with a count."""

    at: datetime
    level: str
    message: str
    code: str | None
    hint: str | None
    mount: str | None
    count: int


class Snapshot(Model):
    """The data of each ``snapshot`` event: the state of this node at one moment."""

    at: datetime
    monotonic_seconds: float = Field(description="To reckon rates with: differences are true, whatever the clock does.")
    node: NodeNow
    cache: Cache
    fetching: Fetching
    mounts: list[Mount]
    explanations: dict[str, Explanation] = Field(description="By mount id.")
    prewarms: list[Prewarm]
    peers: Peers
    failures: list[RecentFailure] = Field(description="The latest first.")
