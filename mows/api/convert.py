"""From the services' values to what goes over the wire. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from cachefs.errors import CacheError, NoSpace
from cachefs.fetch.statistics import FetchStatistics
from cachefs.store import StoreStatistics
from mows.api import event_models, models, prewarm_models
from mows.cache_admin import Outcome
from mows.mount import MountStatus
from mows.placement import Contents
from mows.prewarm_status import NodeStatus, PrewarmStatus
from mows.progress import ByteCounts
from mows.recent_failures import Failure


def moment(unix_seconds: float | None) -> datetime | None:
    """Unix time as a moment in UTC."""
    return None if unix_seconds is None else datetime.fromtimestamp(unix_seconds, UTC)


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def byte_counts(counts: ByteCounts) -> models.ByteCounts:
    """See `models.ByteCounts`."""
    return models.ByteCounts(
        total=counts.total, local=counts.local, from_peers=counts.from_peers, from_origin=counts.from_origin
    )


def in_the_way(error: NoSpace) -> list[models.InTheWay]:
    """See `models.InTheWay`."""
    return [
        models.InTheWay(blob=way.blob_id, source=way.uri, bytes=way.size_bytes, held_by=list(way.held_by))
        for way in error.in_the_way
    ]


def failure(error: BaseException | None) -> models.WorkFailure | None:
    """An error as part of an answer."""
    if error is None:
        return None
    if isinstance(error, CacheError):
        ways = in_the_way(error) if isinstance(error, NoSpace) else None
        return models.WorkFailure(
            code=error.code, message=str(error), hint=error.hint, retryable=error.retryable, in_the_way=ways
        )
    hint = "this is a bug: report it with the traceback in the daemon's log"
    return models.WorkFailure(code=CacheError.code, message=repr(error), hint=hint)


def mount(status: MountStatus) -> models.Mount:
    """See `models.Mount`."""
    return models.Mount(
        id=status.mount_id,
        source=status.spec.source,
        mount_path=status.spec.mount_path,
        state=status.state,
        snapshot=status.snapshot_id,
        percent=None if status.snapshot_id is None else round(status.bytes.percent, 2),
        bytes=byte_counts(status.bytes),
        eta_seconds=status.eta_seconds,
        warm_until=moment(status.warm_until),
        error=failure(status.error),
        warm=status.spec.warm,
        files=status.files,
        hidden=status.hidden,
        passthrough=status.passthrough,
    )


def prewarm(status: PrewarmStatus) -> prewarm_models.Prewarm:
    """See `prewarm_models.Prewarm`."""
    return prewarm_models.Prewarm(
        id=status.prewarm_id,
        sources=list(status.sources),
        order=status.spec.order,
        rate=status.spec.rate,
        nodes=None if status.nodes is None else list(map(_prewarm_node, status.nodes)),
        **_prewarm_part(status),
    )


def _prewarm_node(part: NodeStatus) -> prewarm_models.PrewarmNode:
    return prewarm_models.PrewarmNode(node=part.node, unheard=part.unheard, **_prewarm_part(part.status))


def _prewarm_part(status: PrewarmStatus) -> dict[str, Any]:
    return {
        "state": status.state,
        "percent": round(status.bytes.percent, 2) if status.files else None,
        "bytes": byte_counts(status.bytes),
        "bytes_per_second": status.bytes_per_second,
        "eta_seconds": status.eta_seconds,
        "eta_error_ratio": status.eta_error_ratio,
        "corrupt_chunks": status.corrupt_chunks,
        "warm_until": moment(status.warm_until),
        "error": failure(status.error),
        "files": status.files,
    }


def cache(statistics: StoreStatistics, chunk_bytes: int) -> models.Cache:
    """See `models.Cache`."""
    return models.Cache(
        chunk_bytes=chunk_bytes,
        tiers=[
            models.Tier(
                path=str(tier.path),
                capacity_bytes=tier.capacity_bytes,
                used_bytes=tier.used_bytes,
                free_bytes=tier.free_bytes,
                blobs=tier.blobs,
                faults=tier.faults,
            )
            for tier in statistics.tiers
        ],
        evictions=statistics.evictions,
        evicted_bytes=statistics.evicted_bytes,
        corrupt_chunks=statistics.corrupt_chunks,
        corrupt_blobs=statistics.corrupt_blobs,
        no_space=statistics.no_space,
    )


def fetching(statistics: FetchStatistics) -> event_models.Fetching:
    """See `event_models.Fetching`."""
    sources = statistics.bytes_by_source
    return event_models.Fetching(
        from_origin=sources.get("origin", 0),
        from_peers=sources.get("peer", 0),
        waiting_reads=statistics.parked_reads,
        retries=statistics.retries,
        throttles=statistics.throttles,
        origins=[
            event_models.OriginNow(name=name, running=load.running, limit=load.limit, down=load.down)
            for name, load in sorted(statistics.origins.items())
        ],
    )


def recent_failure(row: Failure) -> event_models.RecentFailure:
    """See `event_models.RecentFailure`."""
    return event_models.RecentFailure(
        at=datetime.fromtimestamp(row.at_seconds, UTC),
        level=row.level,
        message=row.message,
        code=row.code,
        hint=row.hint,
        mount=row.mount,
        count=row.count,
    )


def outcomes(rows: list[Outcome]) -> models.BlobResults:
    """See `models.BlobResults`."""
    return models.BlobResults(
        blobs=[
            models.BlobResult(
                blob_id=row.blob.blob_id, uri=row.blob.key.uri, result=row.result, bad_chunks=list(row.bad_chunks)
            )
            for row in rows
        ]
    )


def listing(contents: Contents, *, limit: int, hidden: bool) -> models.Listing:
    """See `models.Listing`."""
    snapshot = contents.snapshot
    keys = snapshot.hidden if hidden else ()
    return models.Listing(
        source=contents.source.uri,
        snapshot=snapshot.snapshot_id,
        files=snapshot.file_count,
        total_bytes=snapshot.total_bytes,
        hidden_count=len(snapshot.hidden),
        objects=[
            models.ListedObject(
                path=file.node.path,
                uri=file.node.info.uri,
                size_bytes=file.node.info.size_bytes,
                local_bytes=file.local_bytes,
                version=file.node.info.version,
                modified=datetime.fromtimestamp(file.node.info.mtime_ns / 1e9, UTC),
            )
            for file in contents.files[:limit]
        ],
        hidden=[models.HiddenKey(key=_printable(row.key), reason=row.reason) for row in keys[:limit]],
        truncated=max(len(contents.files), len(keys)) > limit,
    )


def _printable(key: str) -> str:
    """A key with undecodable bytes, as text that JSON can carry."""
    return key.encode("utf-8", "backslashreplace").decode()
