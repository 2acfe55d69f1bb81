"""Whom to hear about what, how long to wait for their word, and who is asked to hurry."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from cachefs import bitset
from cachefs.errors import PeerUnavailable
from cachefs.sharing import Want
from peer.exchange.interest import URGE_AGAIN_SECONDS
from peer.policy.duty import quota
from peer.settings import PeerLimits
from tests.unit.peer.exchange.kit import (
    ALL,
    BLOB,
    KEY,
    OTHER,
    PATIENT,
    UNKNOWN,
    Node,
    identity,
    node,
    owned_by,
    turns,
    update,
)

ME, A, B, C = (identity(name) for name in ("me", "a", "b", "c"))


def settled(one: Node) -> bool:
    return one.interest.settled(BLOB, one.now)


async def test_a_node_alone_has_nobody_to_wait_for() -> None:
    async with node() as one:
        one.exchange.demand({KEY: Want.ALL})
        assert settled(one)
        assert one.origin() == ALL


async def test_the_origin_gets_nothing_until_all_peers_have_spoken() -> None:
    async with node(A, B) as one:
        await one.wants()
        assert one.origin() == 0
        one.link(A).say(update(0))
        assert one.origin() == 0
        one.link(B).say(UNKNOWN)
        assert settled(one)
        assert one.origin() == owned_by(ME, ME, A)


async def test_or_until_they_had_the_time_to() -> None:
    async with node(A, B) as one:
        await one.wants()
        assert one.origin(now=one.now + PATIENT.settle - 1.0) == 0
        assert one.origin(now=one.now + PATIENT.settle) == bitset.lowest(ALL, quota(3))


async def test_who_has_not_spoken_is_counted_where_the_origin_is_shared() -> None:
    """A busy machine may need longer than that to connect, to peers that hold everything."""
    crowd = [identity(f"n{number}") for number in range(7)]
    async with node(*crowd) as one:
        await one.wants()
        later = one.now + PATIENT.settle
        assert one.origin(now=later) == bitset.lowest(ALL, quota(1 + len(crowd)))
        for peer in crowd:
            one.link(peer).say(update(0, want=Want.NONE))
        assert one.origin(now=later) == ALL, "it is alone"


async def test_what_a_peer_says_about_another_blob_is_not_its_word() -> None:
    async with node(A) as one:
        await one.wants()
        one.link(A).say(update(0, key=OTHER))
        assert not settled(one)


async def test_a_peer_whose_connection_breaks_holds_nobody_up() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(0))
        one.link(B).breaks()
        await turns()
        assert settled(one)


async def test_a_peer_that_leaves_holds_nobody_up() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.link(A).say(update(0))
        await one.leaves(B)
        assert settled(one)


async def test_a_peer_that_joins_later_is_heard_and_not_waited_for() -> None:
    async with node(A) as one:
        await one.wants()
        one.link(A).say(update(0))
        await one.joins(B)
        assert one.link(B).follows == {BLOB: Want.ALL}
        assert settled(one)


async def test_wanting_more_of_it_waits_for_nobody_again_and_tells_the_peers() -> None:
    async with node(A) as one:
        await one.wants(Want.PART)
        one.link(A).say(update(0))
        await one.wants(Want.ALL)
        assert settled(one)
        assert one.link(A).follows == {BLOB: Want.ALL}


async def test_a_peer_that_spoke_of_the_blob_before_is_not_waited_for() -> None:
    async with node(A) as one:
        follower = one.board.subscribe(B.peer_id)
        follower.follow(BLOB, Want.NONE)  # keeps the swarm
        await one.wants()
        one.link(A).say(update(0))
        one.exchange.demand({})
        await one.wants()
        assert settled(one)


async def test_wanting_it_no_more_follows_nobody() -> None:
    async with node(A, B) as one:
        await one.wants()
        one.exchange.demand({})
        assert one.link(A).follows == one.link(B).follows == {}
        await one.joins(C)
        assert {link.peer for link in one.links_made} == {A, B}


# ---------------------------------------------------------------- the directory


async def test_few_peers_are_all_followed_without_the_directory() -> None:
    async with node(A, B) as one:
        await one.wants()
        assert one.directory.asked == []
        assert {link.peer for link in one.links_made} == {A, B}


async def test_many_peers_are_followed_as_the_directory_says() -> None:
    peers = [identity(f"n{number}") for number in range(10)]
    async with node(*peers, limits=PeerLimits(followed=4)) as one:
        one.directory.swarms[BLOB] = {peers[2].peer_id: Want.ALL, peers[7].peer_id: Want.NONE, A.peer_id: Want.ALL}
        await one.wants()
        assert one.directory.asked == [BLOB]
        assert {link.peer for link in one.links_made} == {peers[2], peers[7]}, "A is no member"
        swarm = one.board.get(BLOB)
        assert swarm
        assert swarm.wanters() == [peers[2].peer_id], "its want counts before it has spoken itself"


async def test_no_more_are_followed_than_the_limit() -> None:
    peers = [identity(f"n{number}") for number in range(10)]
    async with node(*peers, limits=PeerLimits(followed=4)) as one:
        one.directory.swarms[BLOB] = {peer.peer_id: Want.NONE for peer in peers}
        await one.wants()
        first = {link.peer for link in one.links_made}
        assert len(first) == 4
        await one.joins(A)
        assert {link.peer for link in one.links_made} == first, "who is followed stays"


async def test_a_blob_that_is_wanted_no_more_when_the_directory_answers_is_left() -> None:
    peers = [identity(f"n{number}") for number in range(5)]
    async with node(*peers, limits=PeerLimits(followed=4)) as one:
        one.directory.swarms[BLOB] = {peers[0].peer_id: Want.ALL}
        one.exchange.demand({KEY: Want.ALL})
        one.exchange.demand({})
        await turns()
        assert one.links_made == []


async def test_the_directory_hears_what_is_here_and_what_is_wanted() -> None:
    async with node() as one:
        one.shelf.have = {OTHER: 0b1, KEY: 0}
        await one.wants(Want.PART)
        running = asyncio.create_task(one.interest.run())
        assert await one.directory.published.get() == {OTHER.blob_id: Want.NONE, BLOB: Want.PART}
        running.cancel()
        await asyncio.wait({running})


async def test_many_peers_that_begin_at_once_find_each_other_in_the_directory() -> None:
    """Who asks before it has told of itself is seen by nobody, and would take itself for alone."""
    peers = [identity(f"n{number}") for number in range(5)]
    async with node(*peers, limits=PeerLimits(followed=4)) as one:
        one.directory.swarms[BLOB] = {peers[0].peer_id: Want.ALL}
        one.exchange.demand({KEY: Want.ALL})
        assert not settled(one), "nobody is asked yet"
        assert await one.directory.published.get() == {BLOB: Want.ALL}
        assert one.directory.asked == []
        await turns()
        assert one.directory.asked == [BLOB]
        assert [link.peer for link in one.links_made] == [peers[0]]


async def test_a_swarm_that_grows_in_the_directory_is_heard_of() -> None:
    peers = [identity(f"n{number}") for number in range(5)]
    times = replace(PATIENT, heartbeat=0.0)
    async with node(*peers, limits=PeerLimits(followed=4), times=times) as one:
        await one.wants()
        assert one.links_made == []
        one.directory.swarms[BLOB] = {peers[0].peer_id: Want.ALL}
        running = asyncio.create_task(one.interest.run())
        while not one.links_made:  # noqa: ASYNC110 - there is no event: the test looks from outside
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait({running})
        assert one.links_made[0].peer == peers[0]


# --------------------------------------------------------------------- urging


async def settled_pair(one: Node) -> None:
    await one.wants()
    for link in one.links_made:
        link.say(update(0))


async def test_the_owner_of_a_chunk_that_a_reader_waits_for_is_asked_to_hurry() -> None:
    async with node(A) as one:
        await settled_pair(one)
        theirs = owned_by(A, ME, A)
        assert one.origin(urgent=theirs) & theirs == 0
        await turns()
        assert one.link(A).located == [(BLOB, theirs, True)]


async def test_each_owner_is_asked_for_its_own() -> None:
    async with node(A, B) as one:
        await settled_pair(one)
        one.origin(urgent=ALL)
        await turns()
        for peer in (A, B):
            assert one.link(peer).located == [(BLOB, owned_by(peer, ME, A, B), True)]


async def test_once_a_second_at_most() -> None:
    async with node(A) as one:
        await settled_pair(one)
        theirs, now = bitset.lowest(owned_by(A, ME, A), 1), one.now
        for later in (0.0, 0.1, URGE_AGAIN_SECONDS - 0.01, URGE_AGAIN_SECONDS):
            one.origin(urgent=theirs, now=now + later)
        await turns()
        assert len(one.link(A).located) == 2


async def test_what_a_peer_holds_is_simply_asked_for() -> None:
    async with node(A) as one:
        await one.wants()
        theirs = owned_by(A, ME, A)
        one.link(A).say(update(theirs))
        one.origin(urgent=theirs)
        await turns()
        assert one.link(A).located == []


async def test_an_owner_that_does_not_answer_is_no_trouble() -> None:
    async with node(A) as one:
        await settled_pair(one)
        one.link(A).locate_error = PeerUnavailable("silent")
        one.origin(urgent=owned_by(A, ME, A))
        await turns()
        assert len(one.link(A).located) == 1


async def test_an_owner_without_a_connection_is_not_asked() -> None:
    async with node(A, B) as one:
        await settled_pair(one)
        one.link(B).breaks()
        await turns()
        one.origin(urgent=ALL)
        await turns()
        assert one.link(A).located == [(BLOB, owned_by(A, ME, A, B), True)]
        assert one.link(B).located == []
