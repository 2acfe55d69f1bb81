"""What goes over the wire about prewarms; see `mows.api.models`."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field, StrictBool

from mows.api.fields import Duration, Rate, SourceText
from mows.api.models import ByteCounts, Model, WorkFailure
from mows.prewarm_state import Order, PrewarmState

MOST_SOURCES = 1000


class PrewarmRequest(Model):
    """The body of ``POST /v1/prewarms``."""

    sources: list[SourceText] = Field(
        min_length=1,
        max_length=MOST_SOURCES,
        examples=[["oss://models/qwen3-32b/"]],
        description="Prefixes; patterns such as oss://models/qwen3/*.safetensors; or safetensors indexes, each of "
        "which stands for itself and the shards it names.",
    )
    lease: Duration | None = Field(
        default=None,
        description="How long the files stay pinned, from now. null: `prewarm.lease` of the configuration.",
    )
    order: Order = Field(
        default=Order.ENGINE, description="Which files come first: as an engine reads them, by name, or by size."
    )
    rate: Rate | None = Field(
        default=None,
        description="The most to ask of origins, on the average: of all nodes together. null: no limit.",
        examples=["200MB/s"],
    )
    verify: StrictBool = Field(default=False, description="Compare what is in the cache already with its hashes first.")
    nodes: str | None = Field(
        default=None,
        description="Which nodes: `all`, `zone=NAME`, or names with commas. null: the one that is asked.",
        examples=["all"],
    )


class PrewarmPart(Model):
    """How far one prewarm is, on one node or on all of its nodes together."""

    state: PrewarmState
    percent: float | None
    bytes: ByteCounts
    bytes_per_second: float | None = Field(description="Of late; null before it is known.")
    eta_seconds: float | None = Field(description="Until all bytes are local, while warming and measured; else null.")
    warm_until: datetime | None
    error: WorkFailure | None
    files: int
    eta_error_ratio: float | None = Field(
        default=None,
        description="Once it is warm: how far the estimate after the first tenth was from the time it took. 0.2 is a "
        "fifth too long, -0.2 a fifth too short. null: it was not measured.",
    )
    corrupt_chunks: int | None = Field(
        default=None, description="With `verify`: chunks that were wrong, and were fetched again."
    )


class PrewarmNode(PrewarmPart):
    """The part of one node in a prewarm of several."""

    node: str
    unheard: str = Field(default="", description="Why the node could not be asked lately. Empty: it was.")


class Prewarm(PrewarmPart):
    """One prewarm."""

    id: str
    sources: list[str]
    order: Order = Order.ENGINE
    rate: float | None = None
    nodes: list[PrewarmNode] | None = Field(
        default=None, description="Of a prewarm of several nodes: each of them. Its own numbers are their sums."
    )


class PrewarmList(Model):
    """``GET /v1/prewarms``."""

    prewarms: list[Prewarm]
