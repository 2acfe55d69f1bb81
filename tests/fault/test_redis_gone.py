"""Redis killed, stopped in its tracks, and back empty: what is known stays in use, and all recovers by itself."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.membership.redis_directory import RedisDirectory
from peer.membership.registry import RedisDiscovery
from peer.membership.roster import Roster
from peer.settings import PeerTimes
from peer.values import Identity, PeerId
from tests.membership_world import World, ids, node
from tests.redis_server import RedisServer, redis_server
from tests.waiting import until

A, B, C = node("a"), node("b"), node("c")
MODEL, OTHER = BlobId("0" * 32), BlobId("1" * 32)
TIMES = PeerTimes(heartbeat=0.1)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server(password="hush") as server:
        yield server


@asynccontextmanager
async def fleet(redis: RedisServer, world: World, *nodes: Identity) -> AsyncIterator[list[Roster]]:
    async with AsyncExitStack() as stack:
        world.runs(*nodes)
        yield [
            await stack.enter_async_context(Roster(one, RedisDiscovery(redis.url, TIMES), world, TIMES))
            for one in nodes
        ]


def noticed(*rosters: Roster) -> bool:
    return not any(roster.statistics().discovery_ok for roster in rosters)


def works(*rosters: Roster) -> bool:
    return all(roster.statistics().discovery_ok for roster in rosters)


async def test_members_stay_while_redis_is_gone_and_when_it_comes_back_empty(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    left: list[PeerId] = []

    def watch(joined: Sequence[Identity], gone: Sequence[Identity]) -> None:
        left.extend(one.peer_id for one in gone)

    world = World()
    async with fleet(redis, world, A, B) as (at_a, at_b):
        await until(lambda: at_a.members() and at_b.members())
        at_a.watch(watch)
        redis.kill()
        await until(lambda: noticed(at_a, at_b))
        assert {problem.code for problem in at_a.problems()} <= {"discovery_failed"}
        redis.start()
        await until(lambda: works(at_a, at_b))
        async with fleet(redis, world, C):
            await until(lambda: at_a.members().keys() == ids(B, C))
        del world.at[C.address]
        await until(lambda: at_a.members().keys() == ids(B) and at_b.members().keys() == ids(A))
    assert B.peer_id not in left
    said = [record.getMessage() for record in caplog.records if record.name == "peer.membership.outage"]
    assert sum("fails" in line for line in said) == 2, "one line a node"
    assert sum("works again" in line for line in said) == 2
    assert "hush" not in caplog.text


async def test_who_did_not_survive_the_outage_leaves_after_it(redis: RedisServer) -> None:
    async with fleet(redis, World(), A) as (at_a,):
        async with fleet(redis, World(), B) as (at_b,):
            await until(lambda: at_a.members().keys() == ids(B))
            redis.kill()
            await until(lambda: noticed(at_a, at_b))
        assert at_a.members().keys() == ids(B)
        redis.start()
        await until(lambda: works(at_a) and not at_a.members())


async def test_a_peer_that_dies_while_redis_is_gone_is_found_out_by_who_talks_to_it(redis: RedisServer) -> None:
    world = World()
    async with fleet(redis, world, A, B) as (at_a, at_b):
        await until(lambda: at_a.members() and at_b.members())
        redis.kill()
        await until(lambda: noticed(at_a, at_b))
        del world.at[B.address]
        at_a.suspect(B.peer_id)
        await until(lambda: not at_a.members())
        assert at_b.members().keys() == ids(A)


async def test_a_node_that_starts_without_redis_is_alone_until_it_is_there(redis: RedisServer) -> None:
    redis.kill()
    async with fleet(redis, World(), A, B) as (at_a, at_b):
        await until(lambda: noticed(at_a, at_b))
        redis.start()
        await until(lambda: at_a.members().keys() == ids(B) and at_b.members().keys() == ids(A))


async def test_a_redis_that_hangs_is_noticed_and_recovers(redis: RedisServer) -> None:
    async with fleet(redis, World(), A, B) as (at_a, at_b):
        await until(lambda: at_a.members() and at_b.members())
        assert redis.process
        redis.process.send_signal(signal.SIGSTOP)
        await until(lambda: noticed(at_a, at_b))
        assert at_a.members().keys() == ids(B)
        redis.process.send_signal(signal.SIGCONT)
        await until(lambda: works(at_a, at_b))
        assert at_a.members().keys() == ids(B)


async def test_a_wrong_password_is_an_outage_that_shows_no_password(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    discovery = RedisDiscovery(redis.url.replace("hush", "guess"), TIMES)
    async with Roster(A, discovery, World(), TIMES) as roster:
        await until(lambda: not roster.statistics().discovery_ok)
        assert "password" in roster.statistics().last_error
    assert "guess" not in caplog.text


def directory(redis: RedisServer, mine: Identity) -> RedisDirectory:
    return RedisDirectory(redis.url, mine.peer_id, TIMES, lambda: ids(A, B, C) - {mine.peer_id})


async def test_swarms_known_stay_known_and_others_are_asked_of_everyone(redis: RedisServer) -> None:
    at_a, at_b = directory(redis, A), directory(redis, B)
    await at_a.publish({MODEL: Want.ALL})
    assert await at_b.swarm(MODEL) == {A.peer_id: Want.ALL}
    redis.kill()
    assert await at_b.swarm(MODEL) == {A.peer_id: Want.ALL}
    assert await at_b.swarm(OTHER) == {A.peer_id: Want.NONE, C.peer_id: Want.NONE}
    assert not at_b.statistics().ok
    assert "refused" in at_b.statistics().last_error or "111" in at_b.statistics().last_error
    await at_a.aclose()
    await at_b.aclose()


async def test_an_empty_redis_is_told_everything_again_as_it_is_by_now(redis: RedisServer) -> None:
    at_a, at_b = directory(redis, A), directory(redis, B)
    await at_a.publish({MODEL: Want.ALL, OTHER: Want.ALL})
    redis.kill()
    await at_a.publish({MODEL: Want.NONE})
    assert not at_a.statistics().ok
    redis.start()
    await until(lambda: at_a.statistics().ok)
    assert await at_b.swarm(MODEL) == {A.peer_id: Want.NONE}
    assert await at_b.swarm(OTHER) == {}
    await at_a.aclose()
    await at_b.aclose()


async def test_what_is_dropped_while_redis_hangs_is_dropped_when_it_goes_on(redis: RedisServer) -> None:
    at_a, at_b = directory(redis, A), directory(redis, B)
    await at_a.publish({MODEL: Want.ALL, OTHER: Want.ALL})
    assert redis.process
    redis.process.send_signal(signal.SIGSTOP)
    await at_a.publish({MODEL: Want.PART})
    assert not at_a.statistics().ok
    redis.process.send_signal(signal.SIGCONT)
    await until(lambda: at_a.statistics().ok)
    assert await at_b.swarm(MODEL) == {A.peer_id: Want.PART}
    assert await at_b.swarm(OTHER) == {}
    await at_a.aclose()
    await at_b.aclose()
