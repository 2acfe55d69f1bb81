"""Fetching among peers: they are asked first, the origin as far as it is this node's turn, and no reader notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import xxhash

from cachefs.errors import Interrupted, PeerBusy, PeerCorrupt, PeerLacks, PeerUnavailable
from cachefs.ports import PIECE_BYTES
from cachefs.sharing import ChunkStream
from cachefs.store.crc64 import crc64
from cachefs.types import BlobKey
from tests.unit.fetch.kit import (
    CHUNK,
    GatedOrigin,
    Reply,
    ScriptedOrigin,
    content,
    read,
    settings,
)
from tests.unit.fetch.peers_kit import (
    EVERYTHING,
    PeerStream,
    Script,
    SharedWorld,
    breaking,
    halting,
    refusing,
    whole,
)
from tests.waiting import until

COUNT = 11
SIZE = 10 * CHUNK + 777
DATA = content(SIZE)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SharedWorld]:
    one = SharedWorld(tmp_path)
    async with one.fetcher:
        yield one
    one.store.close()


def scripted(world: SharedWorld) -> ScriptedOrigin:
    world.origin = ScriptedOrigin(world.memory)
    return world.origin


def gated(world: SharedWorld) -> GatedOrigin:
    world.origin = GatedOrigin(world.memory)
    return world.origin


def by_source(world: SharedWorld) -> dict[str, int]:
    return dict(world.fetcher.statistics().bytes_by_source)


async def warm(world: SharedWorld, key: str = "k") -> None:
    info = world.memory._objects[key][0]
    await world.fetcher.warm(info, world.origin, account=world.account)
    assert world.fetcher.resident_bytes(info) == info.size_bytes


async def test_what_peers_hold_comes_from_them_and_nothing_from_the_origin(world: SharedWorld) -> None:
    world.exchange.holds(world.key("k", DATA), DATA)
    world.exchange.allowed = 0
    await warm(world)
    assert world.memory.read_bytes == 0
    assert by_source(world) == {"peer": SIZE}
    assert world.exchange.endings() == [None] * COUNT
    assert sorted(pick.chunk for pick in world.exchange.given) == list(range(COUNT))
    assert sorted(world.exchange.published) == list(range(COUNT))
    assert sum(nbytes for *_, nbytes in world.exchange.reports) == SIZE


async def test_what_they_do_not_hold_comes_from_the_origin(world: SharedWorld) -> None:
    held = 0b101_0101_0101
    origin = scripted(world)
    world.exchange.holds(world.key("k", DATA), DATA, held)
    world.exchange.allowed = ~held & EVERYTHING
    await warm(world)
    assert sorted(origin.chunks_asked()) == [1, 3, 5, 7, 9]
    assert by_source(world) == {"peer": 5 * CHUNK + 777, "origin": 5 * CHUNK}
    landed = [chunk for kind, chunks in world.exchange.origin_calls if kind == "ended" for chunk in chunks]
    started = [chunk for kind, chunks in world.exchange.origin_calls if kind == "started" for chunk in chunks]
    assert sorted(landed) == sorted(started) == [1, 3, 5, 7, 9]
    assert sorted(world.exchange.published) == list(range(COUNT)), "others may have those, too"


async def test_the_origin_is_asked_only_as_far_as_it_is_this_nodes_turn(world: SharedWorld) -> None:
    origin = scripted(world)
    world.key("k", DATA)
    world.exchange.allowed = 0b11
    warming = asyncio.create_task(warm(world))
    await until(lambda: len(world.exchange.published) == 2)
    assert sorted(origin.chunks_asked()) == [0, 1]
    world.exchange.allowed = EVERYTHING
    world.exchange.wake()
    await warming


async def test_a_reader_gets_what_peers_send(world: SharedWorld) -> None:
    world.exchange.holds(world.key("k", DATA), DATA)
    world.exchange.allowed = 0
    file = world.open(world.memory._objects["k"][0])
    assert await read(file, 3 * CHUNK + 5, 2 * CHUNK) == DATA[3 * CHUNK + 5 : 5 * CHUNK + 5]
    assert ("peer", CHUNK) in world.accounted
    file.close()


# ----------------------------------------------------------------- a peer fails


@pytest.mark.parametrize(
    "script",
    [
        refusing(PeerBusy("all slots taken")),
        refusing(PeerLacks("evicted")),
        refusing(PeerUnavailable("refused")),
        breaking(PeerUnavailable("reset")),
        breaking(PeerCorrupt("wrong")),
        lambda data: PeerStream([data[:-1]], xxhash.xxh3_128_digest(data)),
        lambda data: PeerStream([data], bytes(16)),
    ],
    ids=["busy", "lacks", "refused", "reset", "corrupt", "short", "wrong hash"],
)
async def test_a_peers_failure_fails_no_reader_and_the_origin_is_asked_at_once(
    world: SharedWorld, script: Script
) -> None:
    origin = scripted(world)
    world.exchange.holds(world.key("k", DATA), DATA, 0b1000)
    world.exchange.scripts.append(script)

    def once(data: bytes) -> ChunkStream:
        world.exchange.offers.clear()
        world.exchange.allowed = EVERYTHING
        return script(data)

    world.exchange.scripts[0] = once
    world.exchange.allowed = 0
    file = world.open(world.memory._objects["k"][0])
    assert await read(file, 3 * CHUNK, 10) == DATA[3 * CHUNK : 3 * CHUNK + 10]
    assert 3 in origin.chunks_asked()
    statistics = world.fetcher.statistics()
    assert (statistics.peer_failures, statistics.retries, statistics.failed_reads) == (1, 0, 0)
    assert all(error is not None for error in world.exchange.endings())
    file.close()


async def test_the_next_peer_is_asked_at_once(world: SharedWorld) -> None:
    world.exchange.holds(world.key("k", DATA), DATA)
    world.exchange.scripts.extend([refusing(PeerUnavailable("reset"))] * 5)
    world.exchange.allowed = 0
    await warm(world)
    assert len(world.exchange.given) == COUNT + 5
    assert world.fetcher.statistics().peer_failures == 5


async def test_stopping_ends_what_peers_send(world: SharedWorld) -> None:
    world.exchange.holds(world.key("k", DATA), DATA, 0b1)
    world.exchange.allowed = 0
    world.exchange.scripts.append(halting)
    warming = asyncio.create_task(warm(world))
    await until(lambda: bool(world.exchange.given) and world.exchange.given[0].stream is not None)
    stream = world.exchange.given[0].stream
    assert isinstance(stream, PeerStream)
    await asyncio.to_thread(stream.waits.wait)
    await world.fetcher.aclose()
    assert stream.cancelled
    with pytest.raises(Interrupted):
        await warming
    assert world.exchange.endings() == [Interrupted]
    assert world.exchange.wanted == {}


# ------------------------------------------------------------------ wrong wholes


class Knowing(ScriptedOrigin):
    """Learns the checksum of the whole."""

    def crc64_of(self, _info: object) -> int | None:
        return crc64(DATA)


@pytest.mark.expects_warnings
async def test_a_blob_that_was_wrong_as_a_whole_comes_from_the_origin_alone(world: SharedWorld) -> None:
    """Its chunks have their hashes, so peers would pass the same wrong bytes on for ever."""
    origin = world.origin = Knowing(world.memory)
    key = world.key("k", DATA)
    wrong = bytes(CHUNK) + DATA[CHUNK:]
    world.exchange.holds(key, wrong)
    world.exchange.allowed = 0
    await warm(world)
    assert sorted(origin.chunks_asked()) == list(range(COUNT))
    assert world.exchange.losses == [key.blob_id]
    assert by_source(world)["origin"] == SIZE
    assert len(world.exchange.given) == COUNT, "peers were asked the first time only"
    blob = world.store.lend(key.blob_id)
    assert blob
    assert blob.sealed
    blob.release()


# ------------------------------------------------------------------------ memory


async def test_peers_are_asked_for_as_much_as_memory_has_room_for(world: SharedWorld) -> None:
    world.exchange.holds(world.key("k", DATA), DATA)
    world.exchange.allowed = 0
    world.exchange.scripts.extend([halting] * COUNT)
    warming = asyncio.create_task(warm(world))
    await until(lambda: len(world.exchange.given) == COUNT)
    assert world.exchange.most[0] == settings().memory_bytes // 2 * 3 // 4 // CHUNK
    occupied = world.fetcher.statistics().in_flight_memory_bytes
    assert occupied == len(world.exchange.given) * CHUNK
    while not warming.done():
        for pick in world.exchange.given:
            if isinstance(pick.stream, PeerStream):
                pick.stream.gate.set()
        await asyncio.sleep(0)
    await warming
    assert world.fetcher.statistics().in_flight_memory_bytes == 0


async def test_a_chunk_on_its_way_to_the_store_costs_a_piece_at_most(tmp_path: Path) -> None:
    big = 4 * PIECE_BYTES
    data = bytes(8 * big)
    world = SharedWorld(tmp_path, changes=settings(memory_bytes=4 * big), chunk_bytes=big, capacity_bytes=9 * big)
    async with world.fetcher:
        world.exchange.holds(world.key("k", data), data)
        world.exchange.allowed = 0
        await warm(world)
        assert world.exchange.most[0] == 4 * big // 2 * 3 // 4 // PIECE_BYTES == 6
    world.store.close()


@pytest.mark.expects_warnings
async def test_chunks_that_are_held_in_memory_as_a_whole_keep_to_the_budget(tmp_path: Path) -> None:
    big = 2 * PIECE_BYTES
    budget = 4 * big
    data = bytes(5 * big)
    world = SharedWorld(tmp_path, changes=settings(memory_bytes=budget), chunk_bytes=big, capacity_bytes=big)
    async with world.fetcher:
        world.exchange.holds(world.key("k", data), data)
        world.exchange.allowed = 0
        world.exchange.scripts.extend([halting] * 5)
        file = world.open(world.memory._objects["k"][0])
        reply = Reply()
        file.read(0, 4 * big, reply)
        await until(lambda: bool(world.exchange.given))
        assert world.fetcher.statistics().in_flight_memory_bytes <= budget // 2
        file.close()
        for pick in world.exchange.given:
            await until(lambda pick=pick: pick.stream is not None)  # type: ignore[misc]
            assert isinstance(pick.stream, PeerStream)
            pick.stream.gate.set()
    world.store.close()


# ---------------------------------------------------------------------- hedging


class Race:
    """A reader waits for chunk 3, whose first peer has sent half and stands still."""

    def __init__(self, world: SharedWorld) -> None:
        self.world = world
        self.key: BlobKey = world.key("k", DATA)
        world.exchange.holds(self.key, DATA, 0b1000)
        world.exchange.allowed = 0
        world.exchange.scripts.append(halting)
        self.file = world.open(world.memory._objects["k"][0])
        self.reply = Reply()

    async def begins(self) -> PeerStream:
        self.file.read(3 * CHUNK, 10, self.reply)
        await until(lambda: bool(self.world.exchange.given) and self.world.exchange.given[0].stream is not None)
        stream = self.world.exchange.given[0].stream
        assert isinstance(stream, PeerStream)
        await asyncio.to_thread(stream.waits.wait)
        self.world.exchange.offers.clear()
        return stream

    async def second(self, script: Script = whole) -> PeerStream:
        """The racer's stream, once it was asked."""
        self.world.exchange.hedge(self.key.blob_id, 3, script)
        await until(lambda: bool(self.world.exchange.raced) and self.world.exchange.raced[0].stream is not None)
        stream = self.world.exchange.raced[0].stream
        assert isinstance(stream, PeerStream)
        return stream

    async def reports(self, count: int) -> None:
        await until(lambda: len(self.world.exchange.reports) == count)

    async def answered(self) -> None:
        assert await asyncio.to_thread(self.reply.wait) == DATA[3 * CHUNK : 3 * CHUNK + 10]

    def close(self) -> None:
        self.file.close()
        assert self.world.fetcher.statistics().failed_reads == 0


@pytest.fixture
def race(world: SharedWorld) -> Race:
    return Race(world)


async def test_the_second_wins_and_the_first_is_called_off(world: SharedWorld, race: Race) -> None:
    first = await race.begins()
    await race.second()
    await race.answered()
    assert first.cancelled
    await race.reports(2)
    (racer, error, nbytes), (late, called_off, nothing) = world.exchange.reports
    assert (racer, error, nbytes) == (world.exchange.raced[0], None, CHUNK), "its bytes are its own"
    assert (late, type(called_off), nothing) == (world.exchange.given[0], Interrupted, 0)
    assert world.accounted == [("peer", CHUNK)]
    assert world.exchange.published == [3]
    assert world.memory.read_bytes == 0
    race.close()


async def test_the_first_wins_and_the_second_is_called_off(world: SharedWorld, race: Race) -> None:
    first = await race.begins()
    second = await race.second(halting)
    first.gate.set()
    await race.answered()
    await race.reports(2)
    assert second.cancelled
    assert world.exchange.reports[0] == (world.exchange.given[0], None, CHUNK)
    assert world.exchange.endings() == [None, Interrupted]
    assert world.exchange.published == [3]
    assert world.accounted == [("peer", CHUNK)]
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    assert world.fetcher.statistics().in_flight_memory_bytes == 0
    race.close()


@pytest.mark.parametrize("first_fails_first", [True, False])
async def test_both_fail_and_the_origin_is_asked(world: SharedWorld, race: Race, first_fails_first: bool) -> None:
    first = await race.begins()
    second = await race.second(lambda data: halting(data[:-1] + b"?"))
    second.digest = bytes(16)
    ends: list[Callable[[], None]] = [first.cancel, second.gate.set]  # its own peer gave up; wrong bytes came
    for count, end in enumerate(ends if first_fails_first else reversed(ends), start=1):
        end()
        await race.reports(count)
    assert {type(error) for _, error, _ in world.exchange.reports} == {PeerUnavailable, PeerCorrupt}
    world.exchange.allowed = EVERYTHING
    world.exchange.wake()
    await race.answered()
    assert "origin" in {source for source, _ in world.accounted}
    race.close()


async def test_the_first_fails_and_the_origin_is_asked_while_the_second_wins(world: SharedWorld, race: Race) -> None:
    """The request to the origin is nobody's race, and goes on."""
    origin = gated(world)
    race.file.close()
    race.file = world.open(world.memory._objects["k"][0])
    first = await race.begins()
    second = await race.second(halting)
    world.exchange.allowed = 0b1000
    first.cancel()
    await asyncio.to_thread(origin.wait_asked)
    second.gate.set()
    await race.reports(2)
    origin.gate.set()
    await race.answered()
    race.close()


async def test_a_racer_that_fails_leaves_the_first_alone(world: SharedWorld, race: Race) -> None:
    first = await race.begins()
    second = await race.second(halting)
    second.cancel()
    await race.reports(1)
    assert not first.cancelled
    first.gate.set()
    await race.answered()
    race.close()


async def test_a_blob_closed_in_mid_race_leaves_nothing(world: SharedWorld, race: Race) -> None:
    first = await race.begins()
    second = await race.second(halting)
    race.file.close()
    second.gate.set()
    first.gate.set()
    await race.reports(2)
    await until(lambda: world.fetcher.statistics().spans_in_flight == 0)
    await until(lambda: world.store.evict(race.key.blob_id))
