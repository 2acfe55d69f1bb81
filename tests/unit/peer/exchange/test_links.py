"""Connections: made when something is followed, made again when they break, closed when nothing is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

import pytest

from cachefs.errors import PeerError, PeerRefused
from cachefs.sharing import Want
from peer.exchange import Neighbour
from peer.exchange import links as links_module
from peer.exchange.links import Links
from peer.values import HaveUpdate, Identity
from tests.unit.peer.exchange.kit import BLOB, OTHER, PATIENT, TwinLink, identity, turns, update
from tests.waiting import until

A, B = identity("a"), identity("b")


class Desk:
    """Links, the twins they made, and what they reported."""

    def __init__(self) -> None:
        self.kind: type[TwinLink] = TwinLink
        self.made: list[TwinLink] = []
        self.heard: list[tuple[Neighbour, Sequence[HaveUpdate]]] = []
        self.breaks: list[tuple[Neighbour, PeerError | None]] = []
        self.a, self.b = Neighbour(A, ""), Neighbour(B, "")
        self.links = self.of()

    def of(self, *, idle: float = PATIENT.idle) -> Links:
        self.links = Links(
            self.connect,
            replace(PATIENT, idle=idle),
            updated=lambda neighbour, updates: self.heard.append((neighbour, updates)),
            broken=lambda neighbour, error: self.breaks.append((neighbour, error)),
        )
        return self.links

    def connect(self, peer: Identity) -> TwinLink:
        self.made.append(self.kind(peer))
        return self.made[-1]


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(links_module, "RETRY_SECONDS", 0.0)
    one = Desk()
    yield one
    await one.links.aclose()
    assert all(link.closed for link in one.made)
    assert one.a.link is one.b.link is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_following_connects_once_to_each_peer(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.ALL)
    desk.links.follow(desk.a, OTHER.blob_id, Want.PART)
    desk.links.follow(desk.b, BLOB, Want.ALL)
    await turns()
    assert [link.peer for link in desk.made] == [A, B]
    assert desk.made[0].follows == {BLOB: Want.ALL, OTHER.blob_id: Want.PART}
    assert desk.a.link is desk.made[0]
    assert list(desk.links.following(BLOB)) == [A.peer_id, B.peer_id]
    assert desk.links.followed(A.peer_id) == {BLOB: Want.ALL, OTHER.blob_id: Want.PART}


async def test_what_is_wanted_more_is_said_on_the_same_connection(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.PART)
    await turns()
    desk.links.follow(desk.a, BLOB, Want.ALL)
    assert len(desk.made) == 1
    assert desk.made[0].follows == {BLOB: Want.ALL}


async def test_what_a_peer_says_is_handed_on_with_its_name(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    desk.made[0].say(update(0b1))
    assert desk.heard == [(desk.a, (update(0b1),))]


async def test_a_connection_that_broke_is_made_again_and_follows_the_same(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    error = PeerRefused("another token")
    desk.made[0].breaks(error)
    desk.links.follow(desk.a, OTHER.blob_id, Want.PART)
    await until(lambda: len(desk.made) == 2)
    await turns()
    assert desk.breaks == [(desk.a, error)]
    assert desk.made[0].closed
    assert desk.made[1].follows == {BLOB: Want.ALL, OTHER.blob_id: Want.PART}
    assert desk.a.link is desk.made[1]


async def test_what_is_no_more_followed_is_not_followed_after_a_reconnection(desk: Desk) -> None:
    for blob in (BLOB, OTHER.blob_id):
        desk.links.follow(desk.a, blob, Want.ALL)
    await turns()
    desk.links.unfollow(desk.a, BLOB)
    desk.links.unfollow(desk.a, BLOB)
    assert desk.made[0].follows == {OTHER.blob_id: Want.ALL}
    desk.made[0].breaks()
    await until(lambda: len(desk.made) == 2)
    await turns()
    assert desk.made[1].follows == {OTHER.blob_id: Want.ALL}


async def test_a_connection_over_which_nothing_is_followed_closes_after_a_while(desk: Desk) -> None:
    links = desk.of(idle=0.0)
    links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    links.unfollow(desk.a, BLOB)
    assert not desk.made[0].closed, "not at once: the next file is opened soon"
    await until(lambda: desk.made[0].closed)
    assert desk.a.link is None
    assert desk.breaks == []


async def test_following_again_in_time_keeps_the_connection(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    desk.links.unfollow(desk.a, BLOB)
    desk.links.follow(desk.a, OTHER.blob_id, Want.ALL)
    await turns()
    assert len(desk.made) == 1
    assert desk.made[0].follows == {OTHER.blob_id: Want.ALL}


async def test_dropping_closes_and_forgets(desk: Desk) -> None:
    desk.links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    desk.links.drop(desk.a)
    desk.links.drop(desk.a)
    await until(lambda: desk.made[0].closed)
    assert list(desk.links.following(BLOB)) == []
    assert desk.links.followed(A.peer_id) == {}
    desk.links.unfollow(desk.a, BLOB)


async def test_a_new_connection_is_not_taken_away_by_the_end_of_the_old_one(desk: Desk) -> None:
    """The old one may need some turns of the loop to end."""

    class Lingering(TwinLink):
        async def run(self, on_updates: Callable[[Sequence[HaveUpdate]], None]) -> None:
            try:
                await super().run(on_updates)
            finally:
                await asyncio.sleep(0)

    desk.kind = Lingering
    links = desk.links
    links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    links.drop(desk.a)
    links.follow(desk.a, BLOB, Want.ALL)
    await turns()
    assert len(desk.made) == 2
    assert desk.made[0].closed
    assert desk.a.link is desk.made[1]


async def test_closing_ends_all_of_them_and_those_that_are_ending(desk: Desk) -> None:
    for neighbour in (desk.a, desk.b):
        desk.links.follow(neighbour, BLOB, Want.ALL)
    await turns()
    desk.links.drop(desk.a)
    await desk.links.aclose()
    assert [link.closed for link in desk.made] == [True, True]
