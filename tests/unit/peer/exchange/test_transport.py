"""How a chunk comes: over the bulk lane while that works, else over gRPC; and what there is when neither does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from cachefs.errors import PeerBusy, PeerError, PeerLacks, PeerUnavailable
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Deadline
from peer.exchange import Neighbour
from peer.exchange.transport import RemoteChunk, Transport
from peer.lane.client import LaneClient, TicketSource
from peer.values import Identity, PeerId
from tests.unit.peer.exchange.kit import KEY, Stream, TwinLink, identity


class TwinLane:
    """As a `LaneClient`: asks for a ticket, then does what the test says."""

    def __init__(self) -> None:
        self.works = True
        self.error: PeerError | None = None
        self.blocks = False
        """Whether the failure shows that the lane cannot be used at all."""
        self.tickets: list[bytes] = []
        self.stream = Stream()

    def lane_works(self, peer_id: PeerId, now: float) -> bool:
        return self.works

    def fetch(self, peer: Identity, key: BlobKey, chunk: int, deadline: Deadline, ticket: TicketSource) -> ChunkStream:
        self.tickets.append(ticket(deadline))
        if self.error:
            self.works = not self.blocks
            raise self.error
        return self.stream


class Ground:
    """A peer with both ways to it."""

    def __init__(self, *, lane_port: int = 9303, has_lane: bool = True) -> None:
        self.lane = TwinLane()
        self.neighbour = Neighbour(replace(identity("a"), lane_port=lane_port), "")
        self.link = TwinLink(self.neighbour.identity)
        self.neighbour.link = self.link
        lane = cast("LaneClient", self.lane) if has_lane else None  # the twin has what is used of it
        self.transport = Transport(lane, asyncio.get_running_loop())

    async def open(self, deadline: Deadline | None = None) -> ChunkStream:
        """On a thread, as fill threads do."""
        return await asyncio.to_thread(self.transport.open, self.neighbour, KEY, 3, deadline or Deadline.after(60))


async def test_over_the_bulk_lane_with_a_ticket_of_the_link() -> None:
    ground = Ground()
    assert await ground.open() is ground.lane.stream
    assert ground.lane.tickets == [b"a ticket"]
    assert ground.neighbour.lane == "bulk"


@pytest.mark.parametrize(
    "make",
    [lambda: Ground(has_lane=False), lambda: Ground(lane_port=0)],
    ids=["we use none", "it has none"],
)
async def test_over_grpc_where_there_is_no_lane(make: Callable[[], Ground]) -> None:
    ground = make()
    assert await ground.open() is not ground.lane.stream
    assert ground.lane.tickets == []
    assert ground.neighbour.lane == "grpc"


async def test_a_lane_that_is_blocked_costs_no_chunk() -> None:
    ground = Ground()
    ground.lane.error, ground.lane.blocks = PeerUnavailable("no route"), True
    await ground.open()
    assert ground.neighbour.lane == "grpc"
    await ground.open()
    assert len(ground.lane.tickets) == 1, "it is left alone"


async def test_a_peer_that_breaks_off_is_not_asked_again_over_grpc() -> None:
    ground = Ground()
    ground.lane.error = PeerUnavailable("reset")
    with pytest.raises(PeerUnavailable, match="reset"):
        await ground.open()


@pytest.mark.parametrize("error", [PeerBusy("all slots taken"), PeerLacks("evicted")])
async def test_what_a_peer_answers_is_its_answer(error: PeerError) -> None:
    ground = Ground()
    ground.lane.error = error
    with pytest.raises(type(error)):
        await ground.open()
    assert ground.neighbour.lane == ""


async def test_without_a_connection_nothing_comes() -> None:
    ground = Ground()
    ground.neighbour.link = None
    with pytest.raises(PeerUnavailable, match="peer a: the connection to it is gone"):
        await ground.open()


async def test_a_ticket_that_does_not_come_in_time_is_given_up() -> None:
    ground = Ground()
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never() -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        asked.set()
        try:
            return await answer
        finally:
            given_up.set()

    ground.link.ticket = never  # type: ignore[method-assign]  # a peer that is silent
    opening = asyncio.create_task(ground.open(Deadline.after(0.01)))
    await asked.wait()
    with pytest.raises(PeerUnavailable, match="no ticket"):
        await opening
    await given_up.wait()


async def test_a_ticket_that_is_refused_is_the_peers_failure() -> None:
    ground = Ground()

    async def refused() -> bytes:
        raise PeerBusy("later")

    ground.link.ticket = refused  # type: ignore[method-assign]
    with pytest.raises(PeerBusy):
        await ground.open()


async def test_a_request_names_its_peer_and_is_cancelled_with_its_stream() -> None:
    ground = Ground()
    request = RemoteChunk(ground.transport, ground.neighbour, KEY, 3, started_at=1.0)
    assert (request.blob, request.chunk, request.peer) == (KEY.blob_id, 3, "a")
    request.cancel()
    stream = await asyncio.to_thread(request.open, Deadline.after(60))
    assert stream is ground.lane.stream
    assert ground.lane.stream.cancelled, "it was called off before it began"
