"""Who waits for chunks, as operations: the parked reads and the warm-ups, which stand in tables already."""

from __future__ import annotations

from collections.abc import Iterable

from cachefs.fetch.live import LiveBlob
from cachefs.fetch.parked import ParkedRead
from cachefs.fetch.warm import Warm
from cachefs.operations import Operation


def waiting(lives: Iterable[LiveBlob]) -> list[Operation]:
    """All who wait for chunks of `lives`. Any thread; what changes meanwhile may be in it or not."""
    found: list[Operation] = []
    for live in lives:
        found += [_read(live, read) for read in live.lot.reads()]
        found += [_warm(live, warm) for warm in tuple(live.warms)]
    return found


def _read(live: LiveBlob, read: ParkedRead) -> Operation:
    chunks = live.key.chunks_of(read.span)
    return Operation(
        number=-id(read),
        name="read",
        began_at=read.parked_at,
        deadline_at=read.expires_at,
        details={
            "mount": read.client.mount,
            "path": live.info.uri,
            "offset": read.span.start,
            "source": live.authority,
            "waits_for": f"chunks {chunks.start}-{chunks.stop}",
            **_failure(live),
        },
    )


def _warm(live: LiveBlob, warm: Warm) -> Operation:
    return Operation(
        number=-id(warm),
        name="warm",
        began_at=warm.progressed_at,
        deadline_at=warm.stalls_at,
        details={"path": live.info.uri, "source": live.authority, "waits_for": "its next chunk", **_failure(live)},
    )


def _failure(live: LiveBlob) -> dict[str, object]:
    return {"last_failure": str(live.last_error)} if live.last_error else {}
