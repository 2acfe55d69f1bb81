"""Blobs as the peers share them: the fetcher's words on one side, those of `sharing.Exchange` on the other.

A blob whose whole turned out to be corrupt is fetched from the origin alone, until it was right once: its bytes may
have been wrong at whoever passed them on. Owned by the loop, except `landed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cachefs import bitset
from cachefs.fetch.fill import Outcome
from cachefs.fetch.flights import only
from cachefs.fetch.live import LiveBlob
from cachefs.fetch.planner import Wish
from cachefs.fetch.span import Client, Span, SpanPlan
from cachefs.ports import PIECE_BYTES
from cachefs.sharing import Ask, ChunkSet, Exchange, PeerChunk, Want
from cachefs.types import BlobId, BlobKey, Priority

MOST_HEDGES = 4
"""Chunks raced at a time: each is held in memory as a whole."""

SILENT_SECONDS = 1.0
"""An origin that sent nothing for so long is not waited for alone. One that lives answers sooner, as a rule; one that
vanished is given up only after the timeouts of its connections, 5 s and more."""


@dataclass(frozen=True, slots=True)
class _Bill:
    """Who asked for some chunks."""

    chunks: ChunkSet
    client: Client
    priority: Priority


class SharedBlobs:
    """Translates. Without an exchange, nothing is shared."""

    def __init__(self, exchange: Exchange | None) -> None:
        self._exchange = exchange

    @property
    def enabled(self) -> bool:
        """Whether there are peers at all."""
        return self._exchange is not None

    def attach(self, wake: Callable[[], None]) -> None:
        """See `Exchange.attach`."""
        if self._exchange:
            self._exchange.attach(wake)

    def demand(self, lives: Iterable[LiveBlob]) -> None:
        """What is wanted of these blobs, and nothing else, from now on. What they gave up meanwhile is wanted again."""
        lives = tuple(lives)
        for live in lives:
            if live.notice_given_up():
                self.lost(live)
        if self._exchange:
            self._exchange.demand(_wants(lives))

    def assign(
        self, wishes: Iterable[Wish], by_id: Mapping[BlobId, LiveBlob], memory_bytes: int, now: float
    ) -> list[SpanPlan]:
        """The chunks to ask of peers now, as many as fit into `memory_bytes`, whichever of them it will be.

        They are startable, and the caller begins their flights.
        """
        assert self._exchange
        free = {blob: live.flights.fetchable for blob, live in by_id.items() if _shared(live)}
        asks: list[Ask] = []
        bills: dict[BlobId, list[_Bill]] = {}
        for wish in sorted(wishes, key=lambda wish: wish.priority):
            chunks = free.get(wish.blob, 0) & bitset.span(wish.chunks.start, wish.chunks.stop)
            if chunks:
                asks.append(Ask(wish.blob, chunks, wish.priority, ordered=wish.ordered))
                bills.setdefault(wish.blob, []).append(_Bill(chunks, wish.client, wish.priority))
        room = memory_bytes // max((_cost_bytes(by_id[blob]) for blob in bills), default=1)
        if not asks or room <= 0:
            return []
        picks = self._exchange.assign(asks, room, now)
        return [_span_plan(pick, bills[pick.blob], _cost_bytes(by_id[pick.blob])) for pick in picks]

    def late(
        self, spans: Iterable[Span], by_id: Mapping[BlobId, LiveBlob], memory_bytes: int, now: float
    ) -> list[SpanPlan]:
        """The chunks to ask of a second peer now, as many as fit into `memory_bytes`."""
        assert self._exchange
        running = {(span.plan.blob, span.plan.chunks.start): span for span in spans if span.plan.peer is not None}
        racing = sum(1 for span in spans if span.plan.peer is not None) - len(running)
        plans = []
        room = memory_bytes // max((live.key.chunk_bytes for live in by_id.values()), default=1)
        for pick in self._exchange.late(min(room, MOST_HEDGES - racing), now):
            first = running.get((pick.blob, pick.chunk))
            assert first is not None, "late chunks are in flight"
            bill = _Bill(1 << pick.chunk, first.plan.client, first.plan.priority)
            plans.append(_span_plan(pick, [bill], by_id[pick.blob].key.chunk_bytes))
        return plans

    def beside_origin(
        self, spans: Iterable[Span], by_id: Mapping[BlobId, LiveBlob], memory_bytes: int, now: float
    ) -> list[SpanPlan]:
        """The chunks to ask of peers now though the origin was asked: it is silent, and reads wait for them."""
        assert self._exchange
        spans = tuple(spans)
        asked = {(span.plan.blob, span.plan.chunks.start) for span in spans if span.plan.peer is not None}
        asks: list[Ask] = []
        bills: dict[BlobId, list[_Bill]] = {}
        for span in spans:
            live = by_id.get(span.plan.blob)
            if live is None or not _shared(live) or not span.silent_since(now - SILENT_SECONDS):
                continue
            awaited = [chunk for chunk in live.lot.awaited() if (live.blob_id, chunk) not in asked]
            if chunks := bitset.of(chunk for chunk in awaited if chunk in span.plan.chunks):
                asks.append(Ask(live.blob_id, chunks, Priority.READER, ordered=True))
                bills.setdefault(live.blob_id, []).append(_Bill(chunks, span.plan.client, span.plan.priority))
        room = memory_bytes // max((by_id[blob].key.chunk_bytes for blob in bills), default=1)
        picks = self._exchange.assign(asks, room, now) if asks and room > 0 else []
        return [_span_plan(pick, bills[pick.blob], by_id[pick.blob].key.chunk_bytes) for pick in picks]

    def ended(self, span: Span, outcome: Outcome, now: float) -> None:
        """A span from a peer is over."""
        assert self._exchange
        assert span.plan.peer
        self._exchange.ended(span.plan.peer, outcome.error, outcome.landed_bytes, now - span.started_at)

    def origin_marks(self, live: LiveBlob, now: float) -> bytes:
        """The marks of the chunks that may be started from the origin, or be verified, now."""
        fetchable = live.flights.fetchable
        if not self._exchange or not fetchable or not _shared(live):
            return live.flights.marks
        allowed = self._exchange.origin(live.blob_id, fetchable, _waited_for(live) & fetchable, now)
        return live.flights.marks if allowed == fetchable else only(live.flights.marks, allowed)

    def origin_started(self, span: Span) -> None:
        """A span goes to the origin."""
        if self._exchange:
            self._exchange.origin_started(span.plan.blob, span.plan.chunks)

    def origin_ended(self, span: Span, outcome: Outcome, now: float) -> None:
        """It came back."""
        if self._exchange:
            self._exchange.origin_ended(span.plan.blob, span.plan.chunks, outcome.landed, now - span.started_at)

    def landed(self, live: LiveBlob, span: Span, chunk: int) -> None:
        """A chunk of `span` was published in the store: others may have it. On a fill thread."""
        assert self._exchange
        self._exchange.landed(live.blob_id, chunk)
        live.landed(chunk, span)

    def lost(self, live: LiveBlob) -> None:
        """Chunks that were published are not there any more."""
        if self._exchange:
            self._exchange.lost(live.blob_id)

    def next_change(self, now: float) -> list[float]:
        """When time alone may bring more."""
        at = self._exchange.next_change(now) if self._exchange else None
        return [] if at is None else [at]


def _shared(live: LiveBlob) -> bool:
    return live.blob is None or not live.blob.rejected


def _wants(lives: Iterable[LiveBlob]) -> dict[BlobKey, Want]:
    return {live.key: _want(live) for live in lives if _shared(live) and not live.sealed}


def _want(live: LiveBlob) -> Want:
    """What nobody reads or warms is here because it is read ahead for another file.

    While the store refuses a blob, or has no room for all of it, this node can give none of it, or not for long: it
    must not be counted on for a part of the whole.
    """
    if live.bypassed or live.window_bytes is not None:
        return Want.PART
    if live.warms or not (live.files or live.lot.reads()):
        return Want.ALL
    whole = any(file.weights and file.pattern.beyond_header for file in live.files)
    return Want.ALL if whole else Want.PART


def _waited_for(live: LiveBlob) -> ChunkSet:
    waited = 0
    for read in live.lot.reads():
        chunks = live.key.chunks_of(read.span)
        waited |= bitset.span(chunks.start, chunks.stop)
    return waited


def _span_plan(pick: PeerChunk, bills: Sequence[_Bill], cost_bytes: int) -> SpanPlan:
    bill = next(bill for bill in bills if bill.chunks >> pick.chunk & 1)
    chunks = range(pick.chunk, pick.chunk + 1)
    return SpanPlan(pick.blob, chunks, bill.priority, False, cost_bytes, bill.client, pick)  # noqa: FBT003 - not to verify


def _cost_bytes(live: LiveBlob) -> int:
    """As `wishes` reckons it: a chunk for memory is held whole, one for the store piece by piece."""
    return live.key.chunk_bytes if live.bypassed else min(PIECE_BYTES, live.key.chunk_bytes)
