"""This node as its peers see it: what is here, what it gets, who may hurry it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.exchange import Host
from peer.values import Identity
from tests.unit.peer.exchange.kit import BLOB, KEY, Lent, Shelf, identity, turns

ME, A = identity("me"), identity("a")


class SlowShelf(Shelf):
    """Remembers on which threads it was asked, and answers when the gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[threading.Thread] = []
        self.gate = threading.Event()

    def lend(self, blob_id: BlobId) -> Lent | None:
        self.threads.append(threading.current_thread())
        assert self.gate.wait(60)
        return super().lend(blob_id)


@dataclass
class Desk:
    shelf: SlowShelf = field(default_factory=SlowShelf)
    met: list[Identity] = field(default_factory=list)
    wakes: list[None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = Host(
            lambda: ME,
            self.shelf,
            introduced=self.introduced,
            ticket=lambda caller: f"ticket of {caller}".encode(),
            wake=lambda: self.wakes.append(None),
        )

    def introduced(self, caller: Identity) -> str:
        self.met.append(caller)
        return "no route"


@contextlib.asynccontextmanager
async def desk() -> AsyncIterator[Desk]:
    one = Desk()
    try:
        yield one
    finally:
        one.shelf.gate.set()
        await one.host.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_it_introduces_itself_and_gives_tickets() -> None:
    async with desk() as one:
        assert one.host.identity() is ME
        assert one.host.introduced(A) == "no route"
        assert one.met == [A]
        assert one.host.issue_ticket(A.peer_id) == b"ticket of a@1"


async def test_of_a_blob_that_nobody_wants_here_it_tells_what_it_finds() -> None:
    async with desk() as one:
        one.shelf.have[KEY] = 0b101
        one.shelf.gate.set()
        follower = one.host.subscribe(A)
        follower.follow(BLOB, Want.ALL)
        await follower.changed.wait()
        (news,) = follower.take()
        assert (news.have, news.chunk_count, news.whole, news.want) == (0b101, KEY.chunk_count, True, Want.NONE)
        assert one.shelf.lent == 0, "it was given back"


async def test_the_loop_does_not_wait_for_the_files() -> None:
    async with desk() as one:
        follower = one.host.subscribe(A)
        follower.follow(BLOB, Want.ALL)
        await turns()
        assert follower.take() == []
        one.shelf.gate.set()
        await follower.changed.wait()
        assert one.shelf.threads
        assert threading.current_thread() not in one.shelf.threads
        (news,) = follower.take()
        assert news.chunk_count == 0, "it is not here"


async def test_who_stops_following_before_the_answer_harms_nobody() -> None:
    async with desk() as one:
        one.shelf.have[KEY] = 0b1
        follower = one.host.subscribe(A)
        follower.follow(BLOB, Want.ALL)
        follower.close()
        one.shelf.gate.set()
        while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110 - there is no event: the test looks from outside
            await asyncio.sleep(0)
        assert one.shelf.threads
        assert len(one.host.board) == 0


async def test_it_locates_what_is_here_and_on_its_way() -> None:
    async with desk() as one:
        swarm = one.host.board.want(KEY, Want.ALL, 0b0011)
        swarm.fetching[2] = 0.0
        assert one.host.locate(BLOB, 0b1110, False) == (0b0010, 0b0100)
        assert one.wakes == []
        assert swarm.urged == 0


async def test_it_knows_nothing_of_other_blobs() -> None:
    async with desk() as one:
        assert one.host.locate(BLOB, 0b1111, True) == (0, 0)
        assert one.wakes == []


async def test_what_a_reader_elsewhere_waits_for_is_hurried() -> None:
    async with desk() as one:
        swarm = one.host.board.want(KEY, Want.ALL, 0b0011)
        one.host.locate(BLOB, 0b0110 | 1 << 99, True)
        assert swarm.urged == 0b0100, "neither what is here nor what there is not"
        assert len(one.wakes) == 1


async def test_what_nobody_wants_here_cannot_be_hurried() -> None:
    async with desk() as one:
        one.host.subscribe(A).follow(BLOB, Want.ALL)
        one.host.board.found(BLOB, KEY.chunk_count, 0b1)
        assert one.host.locate(BLOB, 0b11, True) == (0b1, 0)
        assert one.wakes == []
