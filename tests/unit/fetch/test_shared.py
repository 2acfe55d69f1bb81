"""What the exchange is told and asked, in its own words: who wants what, how urgently, and on whose bill."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.errors import OriginUnavailable
from cachefs.fetch.fill import Outcome
from cachefs.fetch.flights import Mark
from cachefs.fetch.planner import Wish
from cachefs.fetch.shared import MOST_HEDGES, SharedBlobs
from cachefs.fetch.span import Client, Span, SpanPlan
from cachefs.ports import PIECE_BYTES
from cachefs.sharing import Want
from cachefs.types import BlobId, Priority
from tests.unit.fetch.kit import CHUNK, Reply, content, no_account, read
from tests.unit.fetch.peers_kit import SharedWorld, TwinExchange
from tests.waiting import until

SIZE = 8 * CHUNK
DATA = content(SIZE)
PLENTY = 1 << 40


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SharedWorld]:
    one = SharedWorld(tmp_path)
    one.exchange.allowed = 0  # nothing comes from anywhere unless a test says so
    async with one.fetcher:
        yield one
    one.store.close()


class Bench:
    """One blob in use, wishes for it, and `SharedBlobs` between them and the exchange."""

    def __init__(self, world: SharedWorld) -> None:
        self.exchange = world.exchange
        self.info = world.put("k.dat", DATA)
        self.file = world.open(self.info)
        self.live = self.file.live
        self.blob: BlobId = self.live.blob_id
        self.by_id = {self.blob: self.live}
        self.shared = SharedBlobs(self.exchange)
        self.exchange.holds(self.live.key, DATA, 0)
        self.clients = {name: Client(world.memory, no_account) for name in ("reader", "ahead", "warm")}

    def wish(
        self, chunks: range, priority: Priority, name: str, most_chunks: int = 1, *, ordered: bool = False
    ) -> Wish:
        return Wish(self.blob, chunks, priority, most_chunks, CHUNK, self.clients[name], ordered)

    def assign(self, *wishes: Wish, memory_bytes: int = PLENTY) -> list[SpanPlan]:
        return self.shared.assign(wishes, self.by_id, memory_bytes, 0.0)

    def holds(self, chunks: int) -> None:
        self.exchange.offers[self.blob] = chunks

    def late(self, spans: list[Span], memory_bytes: int = PLENTY) -> list[SpanPlan]:
        return self.shared.late(spans, self.by_id, memory_bytes, 0.0)


@pytest.fixture
def bench(world: SharedWorld) -> Bench:
    return Bench(world)


async def test_asks_are_in_order_of_urgency_whatever_the_order_of_wishes(bench: Bench) -> None:
    bench.assign(
        bench.wish(range(8), Priority.PREWARM, "warm", most_chunks=8),
        bench.wish(range(2, 3), Priority.READER, "reader", ordered=True),
        bench.wish(range(2, 6), Priority.READ_AHEAD, "ahead"),
    )
    (asks,) = bench.exchange.asks
    assert [(ask.priority, ask.chunks, ask.ordered) for ask in asks] == [
        (Priority.READER, 0b0000_0100, True),
        (Priority.READ_AHEAD, 0b0011_1100, False),
        (Priority.PREWARM, 0b1111_1111, False),
    ], "spans of one chunk are not for that reason wanted in order"
    bench.file.close()


async def test_each_chunk_is_on_the_bill_of_the_most_urgent_who_wants_it(bench: Bench) -> None:
    bench.holds(0b0010_0101)
    plans = bench.assign(
        bench.wish(range(8), Priority.PREWARM, "warm", most_chunks=8),
        bench.wish(range(2, 3), Priority.READER, "reader"),
        bench.wish(range(2, 6), Priority.READ_AHEAD, "ahead"),
    )
    found = {plan.chunks.start: (plan.priority, plan.client) for plan in plans}
    assert found == {
        2: (Priority.READER, bench.clients["reader"]),
        5: (Priority.READ_AHEAD, bench.clients["ahead"]),
        0: (Priority.PREWARM, bench.clients["warm"]),
    }
    assert all(len(plan.chunks) == 1 and not plan.verify and plan.cost_bytes == CHUNK for plan in plans)
    assert [plan.peer for plan in plans] == bench.exchange.given
    bench.file.close()


async def test_what_is_in_flight_is_not_asked_for(bench: Bench) -> None:
    bench.live.flights.begin(range(4))
    bench.assign(bench.wish(range(2, 6), Priority.READER, "reader"))
    assert [ask.chunks for ask in bench.exchange.asks[0]] == [0b0011_0000]
    bench.assign(bench.wish(range(4), Priority.READER, "reader"))
    assert len(bench.exchange.asks) == 1, "there is nothing to ask for"
    bench.live.flights.end(range(4))
    bench.file.close()


async def test_only_as_much_as_fits_into_memory(bench: Bench) -> None:
    bench.holds(0xFF)
    wish = bench.wish(range(8), Priority.READER, "reader")
    assert bench.assign(wish, memory_bytes=CHUNK - 1) == []
    assert bench.exchange.asks == []
    assert len(bench.assign(wish, memory_bytes=3 * CHUNK + 1)) == 3
    bench.file.close()


async def test_what_the_store_does_not_take_is_reckoned_as_a_whole(bench: Bench) -> None:
    bench.live.bypassed_until = 1e9
    bench.live.flights.want_all()
    bench.holds(0xFF)
    (plan, *_) = bench.assign(bench.wish(range(8), Priority.READER, "reader"))
    assert plan.cost_bytes == CHUNK <= PIECE_BYTES
    bench.live.bypassed_until = 0.0
    bench.file.close()


async def test_a_race_is_on_the_bill_of_the_first_and_is_reckoned_as_a_whole(bench: Bench) -> None:
    bench.holds(0b100)
    (plan,) = bench.assign(bench.wish(range(8), Priority.READER, "reader"))
    first = Span(plan, 0.0)
    bench.exchange.hedge(bench.blob, 2)
    (racer,) = bench.late([first])
    assert (racer.chunks, racer.client, racer.priority) == (plan.chunks, plan.client, plan.priority)
    assert racer.cost_bytes == CHUNK
    assert racer.peer is bench.exchange.raced[0]
    bench.file.close()


async def test_few_races_at_a_time_and_none_without_memory(bench: Bench) -> None:
    bench.holds(0xFF)
    spans = [Span(plan, 0.0) for plan in bench.assign(bench.wish(range(8), Priority.READER, "reader"))]
    for chunk in range(8):
        bench.exchange.hedge(bench.blob, chunk)
    assert bench.late(spans, memory_bytes=CHUNK - 1) == []
    racers = bench.late(spans, memory_bytes=2 * CHUNK)
    assert len(racers) == 2
    spans += [Span(plan, 0.0) for plan in racers]
    racers = bench.late(spans)
    assert len(racers) == MOST_HEDGES - 2
    spans += [Span(plan, 0.0) for plan in racers]
    assert bench.late(spans) == []
    bench.file.close()


async def test_how_a_span_ended_is_told_with_its_bytes(bench: Bench) -> None:
    bench.holds(0b1)
    (plan,) = bench.assign(bench.wish(range(8), Priority.READER, "reader"))
    error = OriginUnavailable("whatever it was")
    bench.shared.ended(Span(plan, 1.0), Outcome(range(0), 0, error), 3.0)
    bench.shared.ended(Span(plan, 1.0), Outcome(range(1), CHUNK, None), 3.0)
    assert [(error, nbytes) for _, error, nbytes in bench.exchange.reports] == [(error, 0), (None, CHUNK)]
    bench.file.close()


async def test_marks_are_narrowed_to_what_the_origin_may_be_asked_for(bench: Bench) -> None:
    bench.exchange.allowed = 0b1001
    assert [chunk for chunk, mark in enumerate(bench.shared.origin_marks(bench.live, 0.0)) if mark == Mark.FETCH] == [
        0,
        3,
    ]
    bench.exchange.allowed = 0xFF
    assert bench.shared.origin_marks(bench.live, 0.0) == bench.live.flights.marks
    bench.file.close()


async def test_a_blob_that_was_rejected_is_the_origins_alone(bench: Bench) -> None:
    assert bench.live.blob
    bench.live.blob.rejected = True
    bench.holds(0xFF)
    assert bench.assign(bench.wish(range(8), Priority.READER, "reader")) == []
    assert bench.shared.origin_marks(bench.live, 0.0) == bench.live.flights.marks
    bench.shared.demand([bench.live])
    assert bench.exchange.wanted == {}
    bench.file.close()


async def test_without_an_exchange_nothing_is_shared(bench: Bench) -> None:
    alone = SharedBlobs(None)
    assert not alone.enabled
    alone.attach(lambda: None)
    alone.demand([bench.live])
    alone.lost(bench.live)
    assert alone.origin_marks(bench.live, 0.0) == bench.live.flights.marks
    assert alone.next_change(0.0) == []
    bench.file.close()


async def test_time_matters_where_it_does_to_the_exchange(bench: Bench) -> None:
    assert bench.shared.next_change(1.0) == []
    bench.exchange.next_change = lambda now: now + 0.5  # type: ignore[method-assign]
    assert bench.shared.next_change(1.0) == [1.5]
    bench.file.close()


# ------------------------------------------------------------------ how much is wanted


def wants(exchange: TwinExchange) -> dict[str, Want]:
    return {key.uri.removeprefix("memory://bucket/"): want for key, want in exchange.wanted.items()}


async def test_a_reader_wants_what_it_reads_until_a_weight_file_is_read_beyond_its_header(world: SharedWorld) -> None:
    file = world.open(world.put("model.safetensors", DATA))
    file.read(0, 100, Reply())
    await until(lambda: wants(world.exchange) == {"model.safetensors": Want.PART})
    file.read(3 * CHUNK, 100, Reply())
    await until(lambda: wants(world.exchange) == {"model.safetensors": Want.ALL})
    world.exchange.allowed = 0xFF
    world.exchange.wake()
    await until(lambda: file.resident_bytes == SIZE)
    await until(lambda: wants(world.exchange) == {})
    file.close()


async def test_other_files_are_wanted_in_part_until_their_readers_have_it(world: SharedWorld) -> None:
    file, reply = world.open(world.put("index.dat", DATA)), Reply()
    file.read(5 * CHUNK, 100, reply)
    await until(lambda: wants(world.exchange) == {"index.dat": Want.PART})
    file.close()
    world.exchange.allowed = 0xFF
    world.exchange.wake()
    await until(lambda: bool(reply.answers))
    await until(lambda: wants(world.exchange) == {})


async def test_what_follows_in_the_readers_order_is_wanted_whole(world: SharedWorld) -> None:
    shards = [world.put(f"model-{number}.safetensors", content(2 * CHUNK, seed=number)) for number in range(2)]
    world.exchange.allowed = 0xFF
    file = world.open(shards[0], following=shards[1:])
    await read(file, CHUNK, 10)
    await until(lambda: world.fetcher.resident_bytes(shards[1]) == 2 * CHUNK)
    assert {want for demand in world.exchange.demands for key, want in demand.items() if key.uri == shards[1].uri} == {
        Want.ALL
    }
    file.close()


async def test_the_exchange_is_told_for_what_readers_wait(world: SharedWorld) -> None:
    file = world.open(world.put("k.dat", DATA))
    file.read(2 * CHUNK, 2 * CHUNK, Reply())
    await until(lambda: 0b1100 in world.exchange.urgent)
    file.close()
