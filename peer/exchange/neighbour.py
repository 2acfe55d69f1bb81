"""One peer as this node deals with it: how it is reached, how it fares, what came from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachefs.errors import PeerBusy, PeerCorrupt, PeerError, PeerLacks
from cachefs.sharing import ChunkSet, ChunkStream, Want
from cachefs.types import BlobId, BlobKey, Deadline
from peer.policy.health import PeerHealth
from peer.policy.hedging import ChunkTimes
from peer.statistics import PeerStatus
from peer.values import HaveUpdate, Identity, PeerId


class Link(Protocol):
    """The connection to one peer that carries control, and chunks where there is no bulk lane (`peer.rpc.PeerLink`)."""

    async def run(self, on_updates: Callable[[Sequence[HaveUpdate]], None]) -> None:
        """Hear what the peer says, until the connection breaks. Raises PeerError."""
        ...

    def follow(self, blob: BlobId, want: Want) -> None:
        """Be told about `blob`, and tell how much of it this node wants."""
        ...

    def unfollow(self, blob: BlobId) -> None:
        """No more."""
        ...

    async def locate(self, blob: BlobId, chunks: ChunkSet, *, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        """What of `chunks` the peer has, and what it is getting."""
        ...

    async def whole(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        """Those of at most 4096 blobs of which the peer has everything."""
        ...

    async def ticket(self) -> bytes:
        """What opens one connection to the peer's bulk lane."""
        ...

    def fetch(self, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        """A chunk over gRPC. Blocks: for a fill thread."""
        ...

    async def aclose(self) -> None:
        """Close the connection."""
        ...


@dataclass(slots=True)
class Tally:
    """What happened with one peer since it was first met."""

    received_bytes: int = 0
    busy_answers: int = 0
    failures: int = 0
    corrupt_chunks: int = 0


class Neighbour:
    """Owned by the loop; fill threads read `link` and `identity`, and set `lane`."""

    def __init__(self, identity: Identity, zone: str) -> None:
        self.identity = identity
        self.peer_id: PeerId = identity.peer_id
        self.same_zone = identity.zone == zone
        self.link: Link | None = None
        """None while there is no connection."""
        self.lane = ""
        """How the last chunk came: ``bulk`` or ``grpc``."""
        self.gone = False
        self.broken = False
        """Whether the last connection broke, and nothing was heard since."""
        self.in_flight = 0
        self.at_origin: set[BlobId] = set()
        """The blobs of which it gets something from the origin now."""
        self.idle_since: float | None = None
        """When it was last known to get something, or first spoke; None before that."""
        self.health = PeerHealth()
        self.times = ChunkTimes()
        self.tally = Tally()
        self.last_failure = ""

    def usable(self, now: float) -> bool:
        """Whether to ask it for a chunk now."""
        return self.link is not None and not self.gone and self.health.usable(now)

    def told(self, update: HaveUpdate, now: float) -> None:
        """It said something about a blob."""
        if self.at_origin or self.idle_since is None:
            self.idle_since = now
        if update.fetching:
            self.at_origin.add(update.blob)
        else:
            self.at_origin.discard(update.blob)

    def landed(self, nbytes: int, seconds: float) -> None:
        """It brought a chunk."""
        self.tally.received_bytes += nbytes
        self.times = self.times.observe(seconds)
        self.health = self.health.landed()

    def failed(self, error: Exception, now: float, jitter: float, quarantine_seconds: float) -> None:
        """It did not."""
        if isinstance(error, PeerBusy):
            self.tally.busy_answers += 1
            self.health = self.health.answered_busy(now, jitter)
        elif isinstance(error, PeerCorrupt):
            self.tally.corrupt_chunks += 1
            self.last_failure = str(error)
            self.health = self.health.corrupt(now, quarantine_seconds)
        elif isinstance(error, PeerError) and not isinstance(error, PeerLacks):
            self.tally.failures += 1
            self.last_failure = str(error)
            self.health = self.health.failed(now, jitter)

    def status(self, now: float, sent_bytes: int) -> PeerStatus:
        """For people and metrics."""
        quarantined = self.health.quarantined(now)
        return PeerStatus(
            identity=self.identity,
            state=self._state(now),
            reason=self.last_failure,
            lane=self.lane,
            received_bytes=self.tally.received_bytes,
            sent_bytes=sent_bytes,
            requests_in_flight=self.in_flight,
            chunk_seconds_p95=self.times.p95,
            busy_answers=self.tally.busy_answers,
            failures=self.tally.failures,
            corrupt_chunks=self.tally.corrupt_chunks,
            quarantined_seconds=max(0.0, self.health.usable_at - now) if quarantined else 0.0,
        )

    def _state(self, now: float) -> str:
        """A member lives, as far as others say; unreachable is one whose connection broke, until the next is up."""
        if self.gone:
            return "gone"
        if self.health.quarantined(now):
            return "quarantined"
        return "unreachable" if self.broken else "up"


def is_its_fault(error: Exception | None) -> bool:
    """Whether an outcome says something about the peer, and not about this node's own cache or wishes."""
    return isinstance(error, PeerError)
