"""Starts spans, from peers and from origins, and hears how they ended. On the loop, except where a method says so.

What a pump finds to be wanted is offered to the peers first (`sharing.Exchange`); what they cannot give now, and what
is this node's turn to get for all of them, goes to the origin. Without peers everything is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from cachefs.fetch.aftermath import Aftermath
from cachefs.fetch.fill import ChunkSink, FillJob, FillThreads, Outcome, VerifyJob
from cachefs.fetch.flights import only
from cachefs.fetch.hedges import Hedges
from cachefs.fetch.lane import Lane
from cachefs.fetch.live import LiveBlob, LiveBlobs
from cachefs.fetch.peer_fill import HedgeJob, KeepJob, PeerJob
from cachefs.fetch.planner import Room, Wish, memory_share, plan
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.shared import SharedBlobs
from cachefs.fetch.span import Client, Span, SpanPlan
from cachefs.fetch.wishes import Terms, tiers
from cachefs.operations import Operations
from cachefs.types import BlobId


class Job(Protocol):
    """What a fill thread runs."""

    def run(self) -> Outcome:
        """Blocks. Raises nothing."""
        ...


class Launcher:
    """The spans in flight. `post` runs a call on the loop, from any thread; `changed` is called when a span ended."""

    def __init__(
        self,
        lives: LiveBlobs,
        threads: FillThreads,
        aftermath: Aftermath,
        shared: SharedBlobs,
        settings: FetchSettings,
        *,
        memory_window_bytes: int,
        operations: Operations,
        jitter: Callable[[], float],
        post: Callable[..., bool],
        changed: Callable[[], None],
    ) -> None:
        self.lanes: dict[str, Lane] = {}
        self.spans: set[Span] = set()
        self._lives = lives
        self._threads = threads
        self._aftermath = aftermath
        self._shared = shared
        self._settings = settings
        self._memory_window_bytes = memory_window_bytes
        self._operations = operations
        self._jitter = jitter
        self._post = post
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._peer_memory_bytes = 0
        self._hedges = Hedges()

    @property
    def shared(self) -> bool:
        """Whether other nodes take part."""
        return self._shared.enabled

    def start(self, lives: Sequence[LiveBlob], now: float) -> None:
        """Start what is wanted of `lives`, as far as there is room."""
        by_id = {live.blob_id: live for live in lives}
        lanes = self._lanes_of(lives, now)
        wanted = [(lane, list(self._tiers(lane, lives))) for lane in lanes]
        self._shared.demand(lives)
        self._start_from_peers([wish for _, found in wanted for tier in found for wish in tier], by_id, now)
        for lane, found in wanted:
            self._start_from_origin(lane, found, by_id, now)

    def stop(self) -> None:
        """End what runs at its next piece."""
        self._shared.demand([])
        for span in self.spans:
            span.cancel()

    def in_flight_memory_bytes(self) -> int:
        """Memory that the running spans occupy."""
        return sum(lane.memory_bytes for lane in tuple(self.lanes.values())) + self._peer_memory_bytes

    def next_change(self, now: float) -> list[float]:
        """When more may be started, by the passing of time."""
        return [*(lane.opens_at() for lane in self.lanes.values()), *self._shared.next_change(now)]

    def _lanes_of(self, lives: Iterable[LiveBlob], now: float) -> list[Lane]:
        for authority in {live.authority for live in lives} - self.lanes.keys():
            self.lanes[authority] = Lane(authority, self._settings, self._jitter, now)
        return list(self.lanes.values())

    def _tiers(self, lane: Lane, lives: Iterable[LiveBlob]) -> Sequence[Sequence[Wish]]:
        terms = Terms(
            settings=self._settings,
            slots=lane.limit,
            memory_window_bytes=self._memory_window_bytes,
            read_ahead=self._shared.enabled or not lane.down,
            shared=self._shared.enabled,
        )
        return tiers([live for live in lives if live.authority == lane.authority], terms)

    # ---------------------------------------------------------------- peers

    def _start_from_peers(self, wishes: Sequence[Wish], by_id: dict[BlobId, LiveBlob], now: float) -> None:
        if not self._shared.enabled:
            return
        for span_plan in self._shared.assign(wishes, by_id, self._peer_memory_left(), now):
            live = by_id[span_plan.blob]
            live.flights.begin(span_plan.chunks)
            self._launch_peer(live, span_plan, now)
        for span_plan in self._shared.late(self.spans, by_id, self._peer_memory_left(), now):
            live = by_id[span_plan.blob]
            span = self._begin(live, span_plan, now)
            job = HedgeJob(span, live.key, self._settings.attempt_seconds)
            self._run(live, span, job, partial(self._hedge_ended, live, span, job))

        for span_plan in self._shared.beside_origin(self.spans, by_id, self._peer_memory_left(), now):
            self._launch_beside(by_id[span_plan.blob], span_plan, now)

    def _peer_memory_left(self) -> int:
        others_bytes = self.in_flight_memory_bytes() - self._peer_memory_bytes
        return memory_share(self._settings.memory_bytes // 2, self._peer_memory_bytes, others_bytes)

    def _launch_peer(self, live: LiveBlob, span_plan: SpanPlan, now: float) -> None:
        span = self._begin(live, span_plan, now)
        job = PeerJob(span, live.key, self._sink(live, span), self._landed(live, span), self._settings.attempt_seconds)
        self._run(live, span, job, partial(self._peer_ended, live, span))

    def _peer_ended(self, live: LiveBlob, span: Span, outcome: Outcome) -> None:
        now = self._loop.time()
        live.flights.end(span.plan.chunks)
        self._shared.ended(span, outcome, now)
        if outcome.landed:
            self._hedges.lost(live.blob_id, span.plan.chunks.start, self.spans)
        kept = self._hedges.taken(span, landed=bool(outcome.landed))
        if kept is not None and live.flights.fetchable >> span.plan.chunks.start & 1:
            live.flights.begin(span.plan.chunks)
            won = self._begin(live, span.plan, now)
            job = KeepJob(won, live.key, kept, self._sink(live, won), self._landed(live, span))
            self._run(live, won, job, partial(self._kept, live, won))
        elif not span.cancelled:
            self._aftermath.apply(live, self.lanes[live.authority], span, outcome, now)

    def _launch_beside(self, live: LiveBlob, span_plan: SpanPlan, now: float) -> None:
        """Into memory: the chunk stays in the flight of the origin's span, which may write it at any moment."""
        span = self._begin(live, span_plan, now)
        job = PeerJob(span, live.key, live.memory_sink, partial(live.landed, span=span), self._settings.attempt_seconds)
        self._run(live, span, job, partial(self._beside_ended, live, span))

    def _beside_ended(self, live: LiveBlob, span: Span, outcome: Outcome) -> None:
        """If it failed, another peer is asked for as long as the origin is silent."""
        now = self._loop.time()
        self._shared.ended(span, outcome, now)
        kept = self._hedges.taken(span, landed=bool(outcome.landed))
        if kept is not None:
            won = self._begin(live, span.plan, now)
            job = KeepJob(won, live.key, kept, live.memory_sink, partial(live.landed, span=span))
            self._run(live, won, job, lambda _: None)

    def _hedge_ended(self, live: LiveBlob, span: Span, job: HedgeJob, outcome: Outcome) -> None:
        """The second peer answered, or failed to: the first one's span is called off if it still runs."""
        self._shared.ended(span, outcome, self._loop.time())
        if outcome.error is None:
            self._hedges.won(live.blob_id, span.plan.chunks.start, job.data, self.spans)

    def _kept(self, live: LiveBlob, span: Span, outcome: Outcome) -> None:
        live.flights.end(span.plan.chunks)
        self._aftermath.apply(live, self.lanes[live.authority], span, outcome, self._loop.time())

    # --------------------------------------------------------------- origin

    def _start_from_origin(
        self, lane: Lane, found: Sequence[Sequence[Wish]], by_id: dict[BlobId, LiveBlob], now: float
    ) -> None:
        slots, reader_slots = lane.slots(now)
        verifying = sum(span.plan.verify for span in self.spans)
        room = Room(
            slots=slots,
            reader_slots=reader_slots,
            verify_slots=self._settings.verify_concurrency - verifying,
            memory_bytes=self._memory_left(lane),
        )
        lives = [live for live in by_id.values() if live.authority == lane.authority]
        if slots > 0 or (reader_slots > 0 and any(live.lot.reads() for live in lives)):
            marks = {live.blob_id: self._shared.origin_marks(live, now) for live in lives}
        else:
            marks = {live.blob_id: only(live.flights.marks, 0) for live in lives}  # to verify, at most
        open_now = [[wish for wish in tier if _may_ask(wish.client, now)] for tier in found]
        for span_plan in plan(open_now, marks, room):
            live = by_id[span_plan.blob]
            if _is_due(live, span_plan):
                live.flights.begin(span_plan.chunks)
                self._launch(live, lane, span_plan, now)

    def _memory_left(self, lane: Lane) -> int:
        others_bytes = self.in_flight_memory_bytes() - lane.memory_bytes
        return memory_share(self._settings.memory_bytes // 2, lane.memory_bytes, others_bytes)

    def _launch(self, live: LiveBlob, lane: Lane, span_plan: SpanPlan, now: float) -> None:
        span = self._begin(live, span_plan, now)
        job: Job
        if span_plan.verify:
            job = VerifyJob(span, live.verify, self._landed(live, span))
        else:
            lane.started(span_plan.cost_bytes)
            self._shared.origin_started(span)
            sink = self._sink(live, span)
            job = FillJob(span, live.info, live.key, sink, self._landed(live, span), self._settings.attempt_seconds)
        self._run(live, span, job, partial(self._ended, live, lane, span))

    def _ended(self, live: LiveBlob, lane: Lane, span: Span, outcome: Outcome) -> None:
        now = self._loop.time()
        live.flights.end(span.plan.chunks)
        if not span.plan.verify:
            lane.ended(span.plan.cost_bytes, outcome.landed_bytes, outcome.error, span.started_at, now)
            self._shared.origin_ended(span, outcome, now)
            for chunk in outcome.landed:
                self._hedges.lost(live.blob_id, chunk, self.spans)
        self._aftermath.apply(live, lane, span, outcome, now)

    # ----------------------------------------------------------------- both

    def _begin(self, live: LiveBlob, span_plan: SpanPlan, now: float) -> Span:
        span = Span(span_plan, now)
        self._lives.share(live)
        self.spans.add(span)
        self._peer_memory_bytes += span_plan.cost_bytes if span_plan.peer else 0
        return span

    def _run(self, live: LiveBlob, span: Span, job: Job, ended: Callable[[Outcome], None]) -> None:
        self._threads.submit(lambda: self._report(live, span, self._watched(live, span, job), ended))

    def _watched(self, live: LiveBlob, span: Span, job: Job) -> Outcome:
        """On a fill thread: what an origin or a peer sends, and what the disk makes of it."""
        chunks, peer = span.plan.chunks, span.plan.peer
        giver = {"peer": peer.peer} if peer else {"source": live.authority}
        name = "peer.read" if peer else "store.verify" if span.plan.verify else "origin.read"
        details = {"path": live.info.uri, "chunks": f"{chunks.start}-{chunks.stop}", **giver}
        if mount := span.plan.client.mount:
            details["mount"] = mount
        with self._operations.watched(name, self._settings.attempt_seconds, **details):
            return job.run()

    def _report(self, live: LiveBlob, span: Span, outcome: Outcome, ended: Callable[[Outcome], None]) -> None:
        """On a fill thread."""
        if not self._post(self._over, live, span, outcome, ended):
            self._lives.drop(live)

    def _over(self, live: LiveBlob, span: Span, outcome: Outcome, ended: Callable[[Outcome], None]) -> None:
        self.spans.discard(span)
        self._peer_memory_bytes -= span.plan.cost_bytes if span.plan.peer else 0
        if outcome.error is not None:
            live.lot.failed(range(outcome.landed.stop, span.plan.chunks.stop), span)
        ended(outcome)
        self._lives.drop(live)
        self._changed()

    def _sink(self, live: LiveBlob, span: Span) -> Callable[[int], ChunkSink]:
        return live.memory_sink if live.bypassed else partial(live.store_sink, span.plan.client.origin)

    def _landed(self, live: LiveBlob, span: Span) -> Callable[[int], None]:
        """What is done with a chunk that landed; `span` is where its readers waited for it."""
        if self._shared.enabled and not live.bypassed:
            return partial(self._shared.landed, live, span)
        return partial(live.landed, span=span)


def _may_ask(client: Client, now: float) -> bool:
    """Whether anything may go out for this client; its pace decides of each request again."""
    return client.pace is None or client.pace.opens_at() <= now


def _is_due(live: LiveBlob, span_plan: SpanPlan) -> bool:
    """Whether the pace of whoever wants it lets this request go out, which counts then. Verifying asks nobody."""
    pace, chunks = span_plan.client.pace, span_plan.chunks
    if pace is None or span_plan.verify:
        return True
    return pace.take(sum(len(live.key.chunk_range(chunk)) for chunk in chunks))
