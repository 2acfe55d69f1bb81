"""What holds for every way of finding nodes: one suite over the list, DNS and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from peer.membership.discovery import AddressInfo, Discovery, DnsDiscovery, Found, StaticDiscovery
from peer.membership.registry import RedisDiscovery
from peer.membership.roster import Roster
from peer.settings import PeerTimes
from peer.values import Identity
from tests.membership_world import World, ids, node
from tests.redis_server import redis_server
from tests.waiting import until

A, B = node("a", address="127.0.0.1:9302"), node("b", address="127.0.0.2:9302")
NEW_B = node("b", boot="2", address="127.0.0.2:9302")
TIMES = PeerTimes(heartbeat=0.1)

Make = Callable[[], Discovery]


def a_list() -> Iterator[Make]:
    yield lambda: StaticDiscovery([A.address, B.address])


def a_name() -> Iterator[Make]:
    async def records(host: str, port: int) -> Sequence[AddressInfo]:
        return [(2, 1, 6, "", (address, port)) for address in ("127.0.0.1", "127.0.0.2")]

    yield lambda: DnsDiscovery("peers.svc:9302", records, every_seconds=0.01)


def a_registry() -> Iterator[Make]:
    with redis_server(password="hush") as server:
        yield lambda: RedisDiscovery(server.url, TIMES)


@pytest.fixture(params=[a_list, a_name, a_registry])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """A discovery for one more node of the same fleet. A and B have the addresses that the list and the name give."""
    yield from request.param()


@asynccontextmanager
async def running(make: Make, world: World, *nodes: Identity) -> AsyncIterator[list[Roster]]:
    """Rosters of nodes that are there until the block ends."""
    async with AsyncExitStack() as stack:
        world.runs(*nodes)
        yield [await stack.enter_async_context(Roster(one, make(), world, TIMES)) for one in nodes]


async def test_two_nodes_find_each_other_and_not_themselves(make: Make) -> None:
    async with running(make, World(), A, B) as (at_a, at_b):
        await until(lambda: at_a.members() == {B.peer_id: B} and at_b.members() == {A.peer_id: A})
        assert at_a.statistics().discovery_ok


async def test_a_node_that_stops_leaves_and_one_that_comes_back_is_another(make: Make) -> None:
    world = World()
    async with running(make, world, A) as (at_a,):
        async with running(make, world, B):
            await until(lambda: at_a.members().keys() == ids(B))
        del world.at[B.address]
        await until(lambda: not at_a.members())
        async with running(make, world, NEW_B):
            await until(lambda: at_a.members().keys() == ids(NEW_B))


async def test_cancelled_it_ends_and_leaves_nothing_running(make: Make) -> None:
    told: list[Found] = []
    before = asyncio.all_tasks()
    task = asyncio.create_task(make().run(A, told.append))
    await until(lambda: told)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asyncio.all_tasks() == before


async def test_it_says_where_it_looks_without_a_secret(make: Make) -> None:
    discovery = make()
    assert discovery.kind in ("static", "dns", "redis")
    assert discovery.where
    assert "hush" not in discovery.where
    assert discovery.error == ""


async def test_an_entry_in_redis_expires_when_its_node_dies_without_a_word() -> None:
    with redis_server() as server:
        seen: list[Found] = []
        dead = asyncio.create_task(_one_renewal(server.url, B))
        await dead
        living = asyncio.create_task(RedisDiscovery(server.url, TIMES).run(A, seen.append))
        await until(lambda: seen and seen[-1].peers.keys() == ids(A, B))
        await until(lambda: seen[-1].peers.keys() == ids(A))
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


async def _one_renewal(url: str, who: Identity) -> None:
    """As a node that is killed right after it."""
    from peer.membership.redis_client import connect
    from peer.membership.registry import RENEW, lifetime_seconds, renew

    async with connect(url) as client:
        await renew(client.register_script(RENEW), who, lifetime_seconds(TIMES), "")


async def test_a_fleet_at_rest_is_not_sent_everybody_each_time() -> None:
    from peer.membership.redis_client import connect
    from peer.membership.registry import RENEW, renew

    with redis_server() as server:
        async with connect(server.url) as client:
            script = client.register_script(RENEW)
            first = await renew(script, A, 60.0, "")
            again = await renew(script, A, 60.0, first.epoch)
            joined = await renew(script, B, 60.0, first.epoch)
            after = await renew(script, A, 60.0, first.epoch)
    assert first.added
    assert first.nodes == {A.peer_id: A}
    assert (again.added, again.nodes) == (False, None)
    assert joined.added
    assert after.nodes == {A.peer_id: A, B.peer_id: B}
    assert int(after.epoch) > int(first.epoch)
