"""One flight: consecutive chunks of one blob that come over one connection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cachefs.fetch.pace import Pace
from cachefs.ports import Origin, Waited
from cachefs.sharing import ChunkStream, PeerChunk
from cachefs.types import BlobId, Priority

Account = Callable[[str, int], None]
"""Called with (source, bytes) for every chunk that landed, on a fill thread."""


@dataclass(frozen=True, slots=True)
class Client:
    """On whose behalf something is fetched: whose connections and credentials, and whose bill."""

    origin: Origin
    account: Account
    mount: str = ""
    """The mount that asks, for the log; empty for what asks by itself."""
    pace: Pace | None = None
    """How fast it may ask the origin; None: as fast as can be."""


@dataclass(frozen=True, slots=True)
class SpanPlan:
    """What the planner decided to start."""

    blob: BlobId
    chunks: range
    priority: Priority
    verify: bool
    """The chunks are here and suspect: hash them instead of fetching them."""
    cost_bytes: int
    """Memory it occupies while it runs."""
    client: Client
    peer: PeerChunk | None = None
    """Where the one chunk of the span comes from; None: from the origin."""


@dataclass(eq=False, slots=True)
class Span:
    """A plan under way. The loop starts it and may cancel it; a fill thread walks through it."""

    plan: SpanPlan
    started_at: float
    cancelled: bool = False
    """Whether to give up at the next piece. Set once, by the loop; read without a lock."""
    stream: ChunkStream | None = None
    """What a peer sends, once it began. Set once, by the fill thread."""
    heard_at: float = 0.0
    """When something came from the origin last. Set by the fill thread; on the loop's clock, like `started_at`."""
    disk_seconds: float = 0.0
    """What of its time went into the cache: writing, hashing, publishing. Set by the fill thread."""

    def waited(self, since: float, now: float) -> Waited:
        """What a read waited for between two moments, for bytes of this span."""
        since = min(since, now)
        began = min(max(since, self.started_at), now)
        flown = now - began
        disk = flown if self.plan.verify else min(flown, self.disk_seconds * flown / max(now - self.started_at, 1e-9))
        if self.plan.peer is not None:
            return Waited(peers=flown - disk, disk=disk, queued=began - since)
        return Waited(origin=flown - disk, disk=disk, queued=began - since)

    @contextmanager
    def storing(self) -> Iterator[None]:
        """Count the time inside as the disk's. On the fill thread."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.disk_seconds += time.monotonic() - began

    def silent_since(self, moment: float) -> bool:
        """Whether the origin was asked before `moment`, and nothing came from it since."""
        at_origin = self.plan.peer is None and not self.plan.verify
        return at_origin and not self.cancelled and max(self.started_at, self.heard_at) < moment

    def cancel(self) -> None:
        """Give up at the next piece; at once, if a peer sends it."""
        self.cancelled = True
        if self.stream is not None:
            self.stream.cancel()
