"""One flight: consecutive chunks of one blob that come over one connection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cachefs.ports import Origin
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

    def silent_since(self, moment: float) -> bool:
        """Whether the origin was asked before `moment`, and nothing came from it since."""
        at_origin = self.plan.peer is None and not self.plan.verify
        return at_origin and not self.cancelled and max(self.started_at, self.heard_at) < moment

    def cancel(self) -> None:
        """Give up at the next piece; at once, if a peer sends it."""
        self.cancelled = True
        if self.stream is not None:
            self.stream.cancel()
