"""Who wants what, in which tier: how long spans may be, and where the first chunk is wanted first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.fetch.file import CachedFile
from cachefs.fetch.planner import Room, Wish, plan
from cachefs.fetch.warm import Warm
from cachefs.fetch.wishes import Terms, read_ahead_wishes, reader_wishes, tiers, warm_wishes
from cachefs.types import Priority
from tests.unit.fetch.kit import CHUNK, Reply, content, settings
from tests.unit.fetch.peers_kit import SharedWorld

COUNT = 32
SLOTS = 4
SPAN_CHUNKS = 4
SETTINGS = settings(span_bytes=SPAN_CHUNKS * CHUNK)


def terms(*, shared: bool) -> Terms:
    return Terms(SETTINGS, SLOTS, memory_window_bytes=8 * CHUNK, read_ahead=True, shared=shared)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[CachedFile]:
    """A weight file of which nothing is here and nothing comes, with a reader that waits beyond its header."""
    world = SharedWorld(tmp_path)
    world.exchange.allowed = 0
    async with world.fetcher:
        one = world.open(world.put("model.safetensors", content(COUNT * CHUNK)))
        one.read(2 * CHUNK, 2 * CHUNK, Reply())
        yield one
        one.close()
    world.store.close()


@pytest.fixture
async def warmed(file: CachedFile) -> CachedFile:
    """The same, being warmed up besides."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[None] = loop.create_future()
    end.add_done_callback(asyncio.Future.exception)  # nobody waits for it here
    warm = Warm(file.live, file.client, Priority.PREWARM, end, 3600.0)
    warm.progressed(loop.time())
    file.live.warms.append(warm)
    return file


def longest(wishes: list[Wish]) -> set[int]:
    return {wish.most_chunks for wish in wishes}


async def test_alone_spans_are_long_where_nobody_waits(warmed: CachedFile) -> None:
    alone = terms(shared=False)
    _, *far = read_ahead_wishes([warmed], alone)
    assert [longest(tier) for tier in far] == [{SPAN_CHUNKS}] * len(far)
    assert longest(warm_wishes([warmed.live], Priority.PREWARM, alone)) == {SPAN_CHUNKS}


async def test_among_peers_every_span_is_one_chunk(warmed: CachedFile) -> None:
    among_peers = tiers([warmed.live], terms(shared=True))
    assert longest([wish for tier in among_peers for wish in tier]) == {1}
    room = Room(slots=64, reader_slots=0, verify_slots=0, memory_bytes=1 << 30)
    spans = plan(among_peers, {warmed.blob_id: warmed.live.flights.marks}, room)
    assert {len(span.chunks) for span in spans} == {1}
    assert sorted(span.chunks.start for span in spans) == list(range(COUNT)), "the whole file all the same"


async def test_what_one_span_costs_is_what_it_may_hold(warmed: CachedFile) -> None:
    (alone,) = warm_wishes([warmed.live], Priority.PREWARM, terms(shared=False))
    (among_peers,) = warm_wishes([warmed.live], Priority.PREWARM, terms(shared=True))
    assert (alone.cost_bytes, among_peers.cost_bytes) == (SPAN_CHUNKS * CHUNK, CHUNK)


@pytest.mark.parametrize("shared", [False, True])
async def test_only_what_is_read_or_soon_will_be_is_wanted_in_order(warmed: CachedFile, shared: bool) -> None:
    """Among peers all spans are one chunk, and that says nothing about their order."""
    near, *far = read_ahead_wishes([warmed], terms(shared=shared))
    assert near
    assert all(wish.ordered for wish in near)
    assert [wish.chunks for tier in far for wish in tier] == [range(4, COUNT), range(4)]
    assert not any(wish.ordered for tier in far for wish in tier)
    assert not any(wish.ordered for wish in warm_wishes([warmed.live], Priority.PREWARM, terms(shared=shared)))


async def test_a_waiting_reader_wants_its_chunks_one_by_one_and_in_order(file: CachedFile) -> None:
    wishes = reader_wishes([file.live])
    assert [(wish.chunks, wish.most_chunks, wish.ordered) for wish in wishes] == [
        (range(2, 3), 1, True),
        (range(3, 4), 1, True),
    ]


async def test_to_memory_one_chunk_at_a_time_whoever_shares(warmed: CachedFile) -> None:
    warmed.live.bypassed_until = 1e9
    (wish,) = warm_wishes([warmed.live], Priority.PREWARM, terms(shared=False))
    assert (wish.most_chunks, wish.cost_bytes, wish.ordered) == (1, CHUNK, False)
    warmed.live.bypassed_until = 0.0
