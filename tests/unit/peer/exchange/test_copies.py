"""Who else has what is here: asked in rounds, of some peers, and known to other threads."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from cachefs.errors import PeerUnavailable
from cachefs.types import BlobKey
from peer.exchange import copies
from peer.exchange.copies import Copies
from peer.exchange.neighbours import Neighbours
from peer.values import Identity
from tests.unit.peer.exchange.kit import KEY, Shelf, TwinLink, identity

RARE = BlobKey("memory://bucket/rare", "v1", 100, 10)


class World:
    """A node with two blobs, and peers that say what they have."""

    def __init__(self, peers: Sequence[str]) -> None:
        self.lender = Shelf()
        self.lender.have = {KEY: 0, RARE: 0}
        self.neighbours = Neighbours("z1")
        self.neighbours.joined(map(identity, peers))
        self.links = {one.peer_id: TwinLink(one.identity) for one in self.neighbours}
        self.copies = Copies(self.lender, self.neighbours, self._connect, random.Random(1))

    def _connect(self, peer: Identity) -> TwinLink:
        return self.links[peer.peer_id]

    def of(self, name: str) -> TwinLink:
        return self.links[identity(name).peer_id]

    def counts(self) -> tuple[int, int]:
        return self.copies.count(KEY.blob_id), self.copies.count(RARE.blob_id)


async def test_nodes_that_have_a_blob_are_counted() -> None:
    world = World(["a", "b"])
    assert world.counts() == (0, 0)
    world.of("a").holds = {KEY.blob_id, RARE.blob_id}
    world.of("b").holds = {KEY.blob_id}
    await world.copies.look()
    assert world.counts() == (2, 1)
    assert all(link.closed for link in world.links.values())


async def test_what_peers_evicted_is_not_counted_in_the_next_round() -> None:
    world = World(["a"])
    world.of("a").holds = {KEY.blob_id}
    await world.copies.look()
    world.of("a").holds = set()
    await world.copies.look()
    assert world.counts() == (0, 0)


async def test_a_peer_that_is_connected_is_asked_over_that_connection() -> None:
    world = World(["a"])
    (neighbour,) = world.neighbours
    neighbour.link = connected = TwinLink(neighbour.identity)
    connected.holds = {KEY.blob_id}
    await world.copies.look()
    assert (world.counts(), connected.closed, world.of("a").asked) == ((1, 0), False, [])


async def test_a_peer_that_does_not_answer_spoils_nothing() -> None:
    world = World(["a", "b"])
    world.of("a").whole_error = PeerUnavailable("gone")
    world.of("b").holds = {KEY.blob_id}
    await world.copies.look()
    assert world.counts() == (1, 0)
    assert world.of("a").closed


async def test_many_blobs_are_asked_for_in_parts_and_of_some_peers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "BLOBS_AT_ONCE", 1)
    monkeypatch.setattr(copies, "MOST_PEERS", 2)
    world = World(["a", "b", "c"])
    for link in world.links.values():
        link.holds = {KEY.blob_id, RARE.blob_id}
    await world.copies.look()
    assert world.counts() == (2, 2)
    assert sorted(len(link.asked) for link in world.links.values()) == [0, 2, 2]


async def test_with_nothing_here_nobody_is_asked() -> None:
    world = World(["a"])
    world.lender.have = {}
    await world.copies.look()
    assert world.of("a").asked == []
