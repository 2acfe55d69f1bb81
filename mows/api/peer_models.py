"""What goes over the wire about peers. As `mows.api.models`: add, rename nothing."""

from __future__ import annotations

from pydantic import Field

from mows.api.models import Failure, Model


class Peer(Model):
    """One other node, in one run of its daemon. Bytes and counts are since this daemon saw it first."""

    node: str
    boot_id: str = Field(description="Another one after each start of its daemon.")
    address: str
    lane_port: int | None = Field(description="Port of its bulk lane, on the same host. null: it has none.")
    zone: str | None
    version: str
    state: str = Field(description="up, quarantined, unreachable or gone.")
    reason: str = Field(description="Why it is not up, or its last failure.")
    lane: str | None = Field(description="How its chunks come: bulk or grpc. null: none came yet.")
    received_bytes: int
    sent_bytes: int
    requests_in_flight: int
    chunk_seconds_p95: float | None = Field(description="Of its recent chunks, 95 % came within this time.")
    busy_answers: int
    failures: int
    corrupt_chunks: int
    quarantined_seconds: float = Field(description="How long it will still not be asked.")


class PeerProblem(Failure):
    """Something about the address of a peer that a person should look at."""

    address: str


class Slots(Model):
    """Transfers at a time."""

    running: int
    limit: int


class Usage(Model):
    """How much of a budget is taken."""

    used: int
    limit: int


class Peers(Model):
    """``GET /v1/peers``. Budgets are null without peers; counters run since the start of the daemon."""

    enabled: bool = Field(default=False, description="Whether this daemon exchanges chunks with others.")
    configured: bool = Field(description="Whether the configuration has `peers.listen`.")
    node: str
    boot_id: str | None = None
    address: str | None = Field(default=None, description="What this node tells the others to reach it by.")
    lane_port: int | None = None
    zone: str | None = None
    discovery: str | None = Field(default=None, description="static, dns or redis.")
    peers: list[Peer] = Field(default_factory=list)
    problems: list[PeerProblem] = Field(default_factory=list)
    uploads: Slots | None = None
    downloads: Slots | None = None
    connections: Usage | None = Field(default=None, description="Bulk connections accepted and open.")
    bytes_in_flight: Usage | None = Field(default=None, description="Bytes promised to others and not sent yet.")
    uplink_bytes_per_second: int | None = Field(default=None, description="The limit. null: there is none.")
    swarms: int = Field(default=0, description="Blobs this node wants or gives now.")
    busy_given: int = Field(default=0, description="Requests turned away because all slots were taken.")
    hedges: int = Field(default=0, description="Late chunks that were asked of a second peer.")
    duplicate_bytes: int = Field(default=0, description="Bytes that came twice because of that.")
    takeovers: int = Field(default=0, description="Chunks fetched from the origin in place of a late peer.")
    control_messages: dict[str, int] = Field(
        default_factory=dict, description="Messages about chunks, sent and received."
    )
    control_bytes: dict[str, int] = Field(default_factory=dict)
    rejected: dict[str, int] = Field(default_factory=dict, description="Requests of others refused, by reason.")
