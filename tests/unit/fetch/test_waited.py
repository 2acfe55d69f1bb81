"""What a read waited for is told with its answer: from where the bytes came, the disk, and what nobody was doing."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from cachefs.errors import OriginUnavailable
from cachefs.fetch.parked import ParkedRead, ParkingLot
from cachefs.fetch.span import Span, SpanPlan
from cachefs.ports import NOT_WAITED, Waited
from cachefs.sharing import ChunkStream
from cachefs.types import BlobId, ByteRange, Deadline, Priority
from tests.unit.fetch.kit import BLOB, CHUNK, GatedOrigin, Reply, ScriptedOrigin, World, client, content, fails

PLAN = SpanPlan(BLOB, range(1), Priority.READER, verify=False, cost_bytes=CHUNK, client=client())


@dataclass
class _Peer:
    """That a peer gives it is all that matters here."""

    blob: BlobId = BLOB
    chunk: int = 0
    peer: str = "node-b"

    def open(self, deadline: Deadline) -> ChunkStream:
        raise NotImplementedError


def _parked(at: float) -> ParkedRead:
    return ParkedRead(ByteRange(0, CHUNK), client(), Reply(), at, at + 60.0)


@pytest.mark.parametrize(
    ("since", "now", "disk_seconds", "waited"),
    [
        (8.0, 14.0, 0.0, Waited(origin=4.0, queued=2.0)),
        (12.0, 14.0, 0.0, Waited(origin=2.0)),
        (10.0, 14.0, 1.0, Waited(origin=3.0, disk=1.0)),
        (12.0, 14.0, 1.0, Waited(origin=1.5, disk=0.5)),
        (10.0, 14.0, 9.0, Waited(disk=4.0)),
    ],
)
def test_a_span_that_began_at_ten(since: float, now: float, disk_seconds: float, waited: Waited) -> None:
    assert Span(PLAN, 10.0, disk_seconds=disk_seconds).waited(since, now) == waited


def test_a_peer_and_a_check_are_not_the_origin() -> None:
    peer = dataclasses.replace(PLAN, peer=_Peer())
    assert Span(peer, 10.0, disk_seconds=1.0).waited(10.0, 14.0) == Waited(peers=3.0, disk=1.0)
    assert Span(dataclasses.replace(PLAN, verify=True), 10.0).waited(9.0, 14.0) == Waited(disk=4.0, queued=1.0)


def test_a_span_that_began_after_the_read_was_answered_was_not_waited_for() -> None:
    assert Span(PLAN, 20.0).waited(10.0, 14.0) == Waited(queued=4.0)


def test_what_is_told_in_steps_is_told_once() -> None:
    """A flight that fails, a pause, and one that succeeds."""
    read = _parked(at=10.0)
    read.waited_for(Span(PLAN, 11.0), 13.0)
    read.waited_for(Span(PLAN, 14.0), 19.0)
    assert read.waited == Waited(origin=7.0, queued=2.0)
    assert read.all_waited(20.0) == Waited(origin=7.0, queued=3.0)


def test_all_in_line_for_a_chunk_are_told_of_its_failure() -> None:
    lot = ParkingLot(lambda _: 0)
    reads = [_parked(at=0.0) for _ in range(2)]
    for read in reads:
        lot.park(read)
    lot.failed(range(1, 3), Span(PLAN, 0.0))
    assert [read.waited for read in reads] == [NOT_WAITED, NOT_WAITED]
    lot.failed(range(2), Span(PLAN, 0.0))
    assert all(read.waited.origin > 0 for read in reads)
    assert lot.take(range(1)) == reads, "they wait on"


async def test_a_cold_read_waits_for_the_origin_and_a_warm_one_for_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    origin = world.origin = GatedOrigin(world.memory)
    info = world.put("x", content(CHUNK))
    async with world.fetcher:
        file = world.open(info)
        cold, warm = Reply(), Reply()
        file.read(0, CHUNK, cold)
        await asyncio.to_thread(origin.wait_asked)
        origin.gate.set()
        await asyncio.to_thread(cold.wait)
        file.read(0, CHUNK, warm)
        await asyncio.to_thread(warm.wait)
        file.close()
    (told,) = cold.spent
    assert told.origin > 0
    assert told.disk > 0
    assert told.peers == 0
    assert warm.spent == []


async def test_failures_of_the_origin_are_its_own(tmp_path: Path) -> None:
    world = World(tmp_path)
    origin = world.origin = ScriptedOrigin(world.memory)
    origin.faults.extend(fails(OriginUnavailable("503")) for _ in range(2))
    info = world.put("x", content(CHUNK))
    async with world.fetcher:
        file = world.open(info)
        reply = Reply()
        file.read(0, CHUNK, reply)
        await asyncio.to_thread(reply.wait)
        file.close()
    (told,) = reply.spent
    assert told.origin > 0
    assert told.queued > 0, "the pauses between the attempts"
