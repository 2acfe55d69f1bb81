"""Who joins and leaves, as a watcher sees it. The other nodes are a `World`; nothing depends on how fast this runs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from cachefs.errors import PeerMismatch, PeerProtocolError, PeerRefused
from peer.membership.prober import HelloReply
from peer.membership.roster import Roster
from peer.settings import PeerTimes
from peer.values import Identity, PeerId
from tests.membership_world import BRISK, IMPATIENT, Told, World, ids, node
from tests.waiting import until

MINE, A, B = node("me"), node("a"), node("b")


class Log:
    """What a watcher was told."""

    def __init__(self) -> None:
        self.joined: list[PeerId] = []
        self.left: list[PeerId] = []

    def __call__(self, joined: Sequence[Identity], left: Sequence[Identity]) -> None:
        self.joined += [one.peer_id for one in joined]
        self.left += [one.peer_id for one in left]


@asynccontextmanager
async def running(world: World, discovery: Told, times: PeerTimes = BRISK) -> AsyncIterator[tuple[Roster, Log]]:
    roster, log = Roster(MINE, discovery, world, times), Log()
    roster.watch(log)
    async with roster:
        yield roster, log


def codes(roster: Roster) -> set[str]:
    return {problem.code for problem in roster.problems()}


async def test_those_who_answer_are_members_and_ourselves_are_not() -> None:
    world = World()
    world.runs(A, B, MINE)
    async with running(world, Told(A.address, B.address, MINE.address)) as (roster, log):
        await until(lambda: len(roster.members()) == 2)
        await until(lambda: world.asked.count(MINE.address) > 2)
        assert roster.members().keys() == ids(A, B)
        assert sorted(log.joined) == sorted(ids(A, B))
        assert roster.problems() == ()


async def test_one_that_starts_later_joins() -> None:
    world = World()
    async with running(world, Told(A.address)) as (roster, _):
        await until(lambda: codes(roster) == {"peer_unavailable", "no_peers"})
        world.runs(A)
        await until(lambda: roster.members().keys() == ids(A))
        assert roster.problems() == ()


async def test_one_that_refuses_connections_leaves() -> None:
    world = World()
    world.runs(A, B)
    async with running(world, Told(A.address, B.address)) as (roster, log):
        await until(lambda: len(roster.members()) == 2)
        del world.at[A.address]
        await until(lambda: roster.members().keys() == ids(B))
        assert log.left == [A.peer_id]


async def test_one_that_falls_silent_leaves() -> None:
    world = World()
    world.runs(A, B)
    async with running(world, Told(A.address, B.address), IMPATIENT) as (roster, log):
        await until(lambda: len(roster.members()) == 2)
        world.silent.add(A.address)
        await until(lambda: log.left == [A.peer_id])
        assert B.peer_id in roster.members()


async def test_one_that_comes_back_is_another_one() -> None:
    world, again = World(), node("a", boot="2")
    world.runs(A)
    async with running(world, Told(A.address)) as (roster, log):
        await until(roster.members)
        world.runs(again)
        await until(lambda: roster.members().keys() == ids(again))
        assert (log.joined, log.left) == ([A.peer_id, again.peer_id], [A.peer_id])


async def test_discovery_of_nothing_is_a_node_alone(caplog: pytest.LogCaptureFixture) -> None:
    async with running(World(), Told()) as (roster, _):
        assert codes(roster) == {"no_peers"}
        assert not roster.members()
    assert all(record.levelno < logging.WARNING for record in caplog.records)


async def test_who_introduces_itself_is_asked_and_joins() -> None:
    world = World()
    world.runs(A)
    async with running(world, Told()) as (roster, _):
        assert roster.introduced(A) == ""
        await until(lambda: roster.members().keys() == ids(A))
        assert roster.introduced(A) == ""


async def test_who_introduces_itself_with_a_wrong_address_is_told_why() -> None:
    async with running(World(), Told()) as (roster, _):
        await until(lambda: roster.introduced(A))
        assert "refused" in roster.introduced(A)
        assert not roster.members()


async def test_our_own_hello_teaches_us_nothing() -> None:
    world = World()
    world.runs(MINE)
    async with running(world, Told(MINE.address)) as (roster, _):
        assert roster.introduced(MINE) == ""
        await until(lambda: len(world.asked) > 2)
        assert codes(roster) == {"no_peers"}


async def test_an_introduced_one_that_is_gone_is_forgotten() -> None:
    world = World()
    world.runs(A)
    async with running(world, Told(), IMPATIENT) as (roster, _):
        roster.introduced(A)
        await until(roster.members)
        world.at.clear()
        await until(lambda: roster.statistics().addresses == 0)
        assert not roster.members()
        await until(lambda: codes(roster) == {"no_peers"})


async def test_an_alias_leads_to_the_address_that_the_node_gives_as_its_own() -> None:
    world = World()
    world.runs(A)
    world.at["alias:9302"] = A
    async with running(world, Told("alias:9302")) as (roster, log):
        await until(roster.members)
        assert roster.members()[A.peer_id].address == A.address
        assert log.joined == [A.peer_id]


@pytest.mark.parametrize(
    "error",
    [PeerRefused("wrong token"), PeerProtocolError("speaks HTTP"), PeerMismatch("protocol 2 there, 1 here")],
)
async def test_what_is_no_peer_of_ours_is_warned_about_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    world = World({A.address: error})
    async with running(world, Told(A.address)) as (roster, _):
        await until(lambda: len(world.asked) > 5)
        (problem, _) = roster.problems()
        assert (problem.address, problem.message) == (A.address, str(error))
        assert problem.hint
    assert [record.levelname for record in caplog.records if A.address in record.getMessage()] == ["WARNING"]


@pytest.mark.expects_warnings
async def test_a_reply_of_another_protocol_is_a_mismatch() -> None:
    world = World({A.address: node("a", protocol=9)})
    async with running(world, Told(A.address)) as (roster, _):
        await until(lambda: "peer_mismatch" in codes(roster))
        assert not roster.members()


@pytest.mark.expects_warnings
async def test_a_peer_that_cannot_reach_us_is_a_problem_until_it_can() -> None:
    world = World({A.address: HelloReply(A, cannot_reach_you="no route to host")})
    async with running(world, Told(A.address)) as (roster, _):
        await until(lambda: codes(roster) == {"cannot_reach_us"})
        world.runs(A)
        await until(lambda: roster.problems() == ())


@pytest.mark.expects_warnings
async def test_two_nodes_with_one_id_are_both_members() -> None:
    world, twin = World(), node("a", boot="2", address="elsewhere:1")
    world.runs(A, twin)
    async with running(world, Told(A.address, twin.address), IMPATIENT) as (roster, _):
        await until(lambda: codes(roster) == {"duplicate_node"})
        assert roster.members().keys() == ids(A, twin)


async def test_an_address_that_discovery_drops_is_asked_as_long_as_it_answers() -> None:
    world = World()
    world.runs(A)
    discovery = Told(A.address)
    async with running(world, discovery, IMPATIENT) as (roster, _):
        await until(roster.members)
        discovery.say()
        asked = len(world.asked)
        await until(lambda: len(world.asked) > asked + 10)
        assert roster.members().keys() == ids(A)
        world.at.clear()
        await until(lambda: roster.statistics().addresses == 0)


async def test_peers_of_a_registry_are_members_without_a_hello() -> None:
    discovery = Told(peers=(A, B, MINE), kind="redis")
    async with running(World(), discovery, PeerTimes(heartbeat=1000.0, dead_after=2000.0)) as (roster, log):
        await until(lambda: roster.members().keys() == ids(A, B))
        discovery.say(peers=(B, MINE))
        assert roster.members().keys() == ids(B)
        assert log.left == [A.peer_id]
        assert roster.statistics().hellos == 0


async def test_peers_of_a_registry_are_checked_one_at_a_time_and_let_go() -> None:
    world = World()
    world.runs(A, B)
    async with running(world, Told(peers=(A, B), kind="redis"), IMPATIENT) as (roster, log):
        await until(lambda: {A.address, B.address} <= set(world.asked))
        assert roster.members().keys() == ids(A, B)
        assert not log.left


@pytest.mark.expects_warnings
async def test_a_wrong_token_shows_in_a_registry_s_fleet_too_and_the_peer_stays_a_member() -> None:
    world = World({A.address: PeerRefused("wrong token")})
    async with running(world, Told(peers=(A,), kind="redis")) as (roster, _):
        await until(lambda: codes(roster) == {"peer_refused"})
        assert roster.members().keys() == ids(A)


async def test_a_suspected_peer_leaves_while_its_registry_is_gone() -> None:
    world, discovery = World(), Told(peers=(A, B), kind="redis")
    world.runs(B)
    times = PeerTimes(heartbeat=0.2, dead_after=20.0)
    async with running(world, discovery, times) as (roster, log):
        await until(lambda: len(roster.members()) == 2)
        discovery.error = "connection refused"
        roster.suspect(A.peer_id)
        await until(lambda: log.left == [A.peer_id])
        assert roster.members().keys() == ids(B)
        discovery.error = ""
        discovery.say(peers=(A, B))
        assert roster.members().keys() == ids(A, B)


async def test_a_suspect_is_asked_at_once() -> None:
    world = World()
    world.runs(A)
    async with running(world, Told(A.address), PeerTimes(heartbeat=1000.0, dead_after=3000.0)) as (roster, _):
        await until(roster.members)
        assert len(world.asked) == 1
        roster.suspect(A.peer_id)
        roster.suspect(PeerId("nobody@1"))
        await until(lambda: len(world.asked) == 2)


async def test_a_failing_discovery_shows_in_problems_and_statistics() -> None:
    discovery = Told(A.address, kind="dns")
    world = World()
    world.runs(A)
    async with running(world, discovery) as (roster, _):
        await until(roster.members)
        assert roster.statistics().discovery_ok
        discovery.error = "no answer"
        await until(lambda: codes(roster) == {"discovery_failed"})
        statistics = roster.statistics()
        assert (statistics.discovery, statistics.discovery_ok, statistics.last_error) == ("dns", False, "no answer")
        assert (statistics.members, statistics.joined, statistics.left) == (1, 1, 0)


async def test_nothing_outlives_it() -> None:
    world = World(silent={A.address})
    before = asyncio.all_tasks()
    async with running(world, Told(A.address)):
        await until(lambda: world.waiting == 1)
    assert world.waiting == 0
    assert asyncio.all_tasks() == before
