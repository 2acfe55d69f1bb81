"""Peers come, speak, fall silent and go: what the parts of an exchange know afterwards."""

from __future__ import annotations

from cachefs.errors import PeerUnavailable
from peer.swarm import Swarm
from tests.unit.peer.exchange.kit import BLOB, Node, identity, node, turns, update

A, B = identity("a"), identity("b")


def swarm(one: Node) -> Swarm:
    found = one.board.get(BLOB)
    assert found
    return found


async def test_what_a_peer_says_is_known_to_the_swarm_and_wakes_the_fetcher() -> None:
    async with node(A) as one:
        await one.wants()
        wakes = one.wakes
        one.link(A).say(update(0b11))
        assert (swarm(one).view(A.peer_id).have, one.wakes) == (0b11, wakes + 1)


async def test_a_peer_that_says_nothing_new_lives_and_wakes_nobody() -> None:
    async with node(A) as one:
        await one.wants()
        one.neighbour(A).broken = True
        wakes = one.wakes
        one.link(A).say()
        assert (one.neighbour(A).broken, one.wakes) == (False, wakes)


async def test_a_connection_that_broke_by_an_error_is_remembered_and_one_that_ended_is_not() -> None:
    async with node(A, B) as one:
        one.news.broke(one.neighbour(A), PeerUnavailable("reset"))
        one.news.broke(one.neighbour(B), None)
        assert [(one.neighbour(peer).broken, one.neighbour(peer).last_failure) for peer in (A, B)] == [
            (True, "reset"),
            (False, ""),
        ]


async def test_who_has_gone_is_in_no_part_any_more() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(0b11))
        (gone,) = one.news.left([A, identity("never seen")])
        await turns()
        assert gone.identity == A
        assert A.peer_id not in swarm(one).peers
        assert (one.neighbours.get(A.peer_id), one.link(A).closed) == (None, True)


async def test_who_is_known_does_not_come_again() -> None:
    async with node(A) as one:
        assert [neighbour.identity for neighbour in one.news.joined([A, B])] == [B]
