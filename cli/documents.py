"""The answers of the REST API, as far as commands read them. A test compares the keys with the daemon's own models.

Sizes are bytes, durations seconds, moments RFC 3339 text in UTC; None is what does not apply or is not known.
"""

from __future__ import annotations

from typing import TypedDict


class ByteCounts(TypedDict):
    """Where bytes are, and where they came from."""

    total: int
    local: int
    from_peers: int
    from_origin: int


class ErrorPart(TypedDict):
    """An error inside an answer."""

    code: str
    message: str
    hint: str


class Mount(TypedDict):
    """One mount."""

    id: str
    source: str
    mount_path: str
    state: str
    percent: float | None
    bytes: ByteCounts
    eta_seconds: float | None
    warm_until: str | None
    error: ErrorPart | None
    warm: bool
    files: int
    hidden: int
    passthrough: bool | None


class MountList(TypedDict):
    """All mounts."""

    mounts: list[Mount]


class Prewarm(TypedDict):
    """One prewarm."""

    id: str
    sources: list[str]
    state: str
    percent: float | None
    bytes: ByteCounts
    eta_seconds: float | None
    warm_until: str | None
    error: ErrorPart | None
    files: int


class PrewarmList(TypedDict):
    """All prewarms."""

    prewarms: list[Prewarm]


class ListedObject(TypedDict):
    """One file below a source."""

    path: str
    size_bytes: int
    local_bytes: int
    modified: str


class HiddenKey(TypedDict):
    """One key that no file system can show."""

    key: str
    reason: str


class Listing(TypedDict):
    """What a source holds."""

    source: str
    files: int
    total_bytes: int
    hidden_count: int
    objects: list[ListedObject]
    hidden: list[HiddenKey]
    truncated: bool


class Tier(TypedDict):
    """One tier of the cache."""

    path: str
    capacity_bytes: int
    used_bytes: int
    free_bytes: int
    blobs: int
    faults: int


class Cache(TypedDict):
    """The cache as a whole."""

    chunk_bytes: int
    tiers: list[Tier]
    evictions: int
    corrupt_chunks: int


class Blob(TypedDict):
    """One blob in the cache."""

    blob_id: str
    uri: str
    size_bytes: int
    resident_bytes: int
    tier: str
    sealed: bool
    in_use: bool
    pinned: bool
    pinned_until: str | None


class BlobList(TypedDict):
    """All blobs."""

    blobs: list[Blob]


class BlobResult(TypedDict):
    """What became of one blob."""

    blob_id: str
    uri: str
    result: str
    bad_chunks: list[int]


class BlobResults(TypedDict):
    """What became of several."""

    blobs: list[BlobResult]


class Peer(TypedDict):
    """One other node."""

    node: str
    address: str
    zone: str | None
    state: str
    reason: str
    lane: str | None
    received_bytes: int
    sent_bytes: int
    requests_in_flight: int
    chunk_seconds_p95: float | None
    quarantined_seconds: float


class PeerProblem(ErrorPart):
    """An address that a person should look at."""

    address: str


class Slots(TypedDict):
    """Transfers at a time."""

    running: int
    limit: int


class Usage(TypedDict):
    """How much of a budget is taken."""

    used: int
    limit: int


class Peers(TypedDict):
    """The peers of this node."""

    enabled: bool
    configured: bool
    node: str
    address: str | None
    lane_port: int | None
    discovery: str | None
    peers: list[Peer]
    problems: list[PeerProblem]
    uploads: Slots | None
    downloads: Slots | None
    bytes_in_flight: Usage | None
    uplink_bytes_per_second: int | None


class Dump(TypedDict):
    """What the daemon does at this moment: for people, so the rows are not fixed further."""

    node: str
    version: str
    pid: int
    operations: object
    """A list of rows, or what kept them from being told."""
    budgets: list[dict[str, object]]
    recent: list[str]
    tasks: list[dict[str, object]]
    threads: list[dict[str, object]]


class Health(TypedDict):
    """That the daemon lives, and which one it is."""

    status: str
    node: str
    version: str
