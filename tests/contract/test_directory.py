"""What holds for every directory of swarms, and what only the one in Redis promises; the Redis is a real one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.membership.directory import Directory, EveryoneDirectory
from peer.membership.redis_directory import RedisDirectory
from peer.settings import PeerTimes
from peer.values import PeerId
from tests.membership_world import LIMIT_SECONDS
from tests.redis_server import RedisServer, redis_server

A, B, C = PeerId("a@1"), PeerId("b@1"), PeerId("c@1")
MODEL, OTHER = BlobId("0" * 32), BlobId("1" * 32)
TIMES = PeerTimes(heartbeat=0.1)

Make = Callable[[PeerId], Directory]


def everyone() -> Iterator[Make]:
    yield lambda mine: EveryoneDirectory(lambda: {A, B} - {mine})


def in_redis() -> Iterator[Make]:
    with redis_server(password="hush") as server:
        yield lambda mine: RedisDirectory(server.url, mine, TIMES, lambda: {A, B, C} - {mine})


@pytest.fixture(params=[everyone, in_redis])
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """The directory as one node sees it. The fleet is A and B."""
    yield from request.param()


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@asynccontextmanager
async def opened(*directories: Directory) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for directory in directories:
            stack.push_async_callback(directory.aclose)
        yield


async def until_swarm(directory: Directory, expected: Mapping[PeerId, Want]) -> None:
    """Ask until the answer is the expected one."""
    from time import monotonic

    end = monotonic() + LIMIT_SECONDS
    while (answer := await directory.swarm(MODEL)) != expected:
        assert monotonic() < end, answer


async def test_who_published_a_blob_is_in_its_swarm_for_the_others_and_not_for_itself(make: Make) -> None:
    at_a, at_b = make(A), make(B)
    async with opened(at_a, at_b):
        await at_a.publish({MODEL: Want.ALL})
        await at_b.publish({MODEL: Want.NONE})
        assert (await at_a.swarm(MODEL)).keys() == {B}
        assert (await at_b.swarm(MODEL)).keys() == {A}


async def test_closing_twice_or_without_a_word_is_fine(make: Make) -> None:
    directory = make(A)
    await directory.aclose()
    await directory.aclose()


async def test_publishing_says_how_much_is_wanted_and_replaces_what_was_said(redis: RedisServer) -> None:
    at_a, at_b = _directory(redis, A), _directory(redis, B)
    async with opened(at_a, at_b):
        await at_a.publish({MODEL: Want.ALL, OTHER: Want.PART})
        assert await at_b.swarm(MODEL) == {A: Want.ALL}
        assert await at_b.swarm(OTHER) == {A: Want.PART}
        await at_a.publish({MODEL: Want.NONE})
        assert await at_b.swarm(MODEL) == {A: Want.NONE}
        assert await at_b.swarm(OTHER) == {}


async def test_closing_takes_back_what_was_published(redis: RedisServer) -> None:
    at_a, at_b = _directory(redis, A), _directory(redis, B)
    async with opened(at_b):
        await at_a.publish({MODEL: Want.ALL})
        await at_a.aclose()
        assert await at_b.swarm(MODEL) == {}


async def test_a_node_that_dies_disappears_by_itself_and_one_that_lives_stays(redis: RedisServer) -> None:
    dead, alive, asking = _directory(redis, A), _directory(redis, B), _directory(redis, C)
    async with opened(dead, alive, asking):
        await dead.publish({MODEL: Want.ALL})
        await alive.publish({MODEL: Want.ALL})
        await dead._tasks.aclose()
        await until_swarm(asking, {B: Want.ALL})


async def test_a_node_at_rest_costs_one_call_per_renewal_whatever_it_holds(redis: RedisServer) -> None:
    directory = _directory(redis, A)
    async with opened(directory):
        wants = {BlobId(f"{number:032x}"): Want.NONE for number in range(300)}
        await directory.publish(wants)
        before = directory.statistics()
        await directory.publish(wants)
        after = directory.statistics()
    assert before.published == after.published == 300
    assert before.sent_bytes > 300 * 32
    calls = after.messages - before.messages
    assert calls >= 1
    assert after.sent_bytes - before.sent_bytes < 100 * calls


async def test_a_node_that_finds_itself_forgotten_says_everything_again(redis: RedisServer) -> None:
    at_a, at_b = _directory(redis, A), _directory(redis, B)
    async with opened(at_a, at_b):
        await at_a.publish({MODEL: Want.ALL})
        await at_b._client.flushall()
        await until_swarm(at_b, {A: Want.ALL})


async def test_what_was_said_lately_survives_a_directory_that_renews(redis: RedisServer) -> None:
    at_a, at_b = _directory(redis, A), _directory(redis, B)
    lifetime: Callable[[], Awaitable[int]] = lambda: at_b._client.pttl("mows:1:shares:a@1")  # noqa: E731 one line
    async with opened(at_a, at_b):
        await at_a.publish({MODEL: Want.ALL})
        renewals = at_a.statistics().messages
        await until_swarm(at_b, {A: Want.ALL})
        assert 0 < await lifetime() <= 2500
        while at_a.statistics().messages < renewals + 3:
            assert await at_b.swarm(MODEL) == {A: Want.ALL}


def _directory(server: RedisServer, mine: PeerId) -> RedisDirectory:
    return RedisDirectory(server.url, mine, TIMES, lambda: {A, B, C} - {mine})
