"""What nodes tell each other, and what the directory tells them, between two nodes on simulated time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

import pytest

from benchmarks.simulate.cache import Cache
from benchmarks.simulate.control import Ledger
from benchmarks.simulate.directory import SharedDirectory, SimDirectory
from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.network import Network
from benchmarks.simulate.scenario import Latencies
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.telling import SimLink, Telling
from benchmarks.simulate.timeline import Timeline
from cachefs.errors import PeerUnavailable
from cachefs.sharing import Want
from cachefs.types import BlobId, BlobKey
from peer.exchange import Host
from peer.settings import PeerLimits, PeerTimes
from peer.values import HaveUpdate, Identity, PeerId

KEY = BlobKey("sim://file", "1", 80, 10)
ME = Identity(node_id="me", boot_id="0", address="", lane_port=0, zone="", chunk_bytes=10)


@pytest.fixture
def around() -> Surroundings:
    timeline = Timeline()
    return Surroundings(
        timeline=timeline,
        network=Network(timeline, 0.0),
        ledger=Ledger(1.0),
        latencies=Latencies(),
        step_seconds=0.001,
        origin_link=None,
        limits=PeerLimits(),
        times=PeerTimes(),
        finished=lambda: None,
    )


@pytest.fixture
def loop(around: Surroundings) -> Iterator[SimulatedLoop]:
    made = SimulatedLoop(around.timeline)
    yield made
    made.close()


def run(loop: SimulatedLoop, work: Coroutine[Any, Any, None]) -> None:
    task = loop.create_task(work)
    loop.run(lambda: None, lambda: not task.done())
    task.result()


def host(cache: Cache) -> Host:
    return Host(lambda: ME, cache, introduced=lambda _: "", ticket=lambda _: b"", wake=lambda: None)


def test_a_follower_is_told_all_then_what_is_new_not_more_often_than_the_interval(
    loop: SimulatedLoop, around: Surroundings
) -> None:
    heard: list[tuple[float, HaveUpdate]] = []

    def hear(updates: Sequence[HaveUpdate]) -> None:
        heard.extend((around.now, update) for update in updates)

    async def work() -> None:
        theirs = host(Cache())
        theirs.board.want(KEY, Want.ALL, 0b1)
        link = SimLink(around, ME, Telling(around, theirs))
        link.follow(KEY.blob_id, Want.ALL)
        listening = asyncio.create_task(link.run(hear))
        await asyncio.sleep(0.01)
        theirs.board.landed(KEY.blob_id, 5)
        theirs.board.landed(KEY.blob_id, 7)
        await asyncio.sleep(1.0)
        listening.cancel()
        await link.aclose()

    run(loop, work())
    (first_at, first), (second_at, second) = heard
    assert (first.whole, first.have) == (True, 0b1)
    assert (second.whole, second.have) == (False, 0b10100000)
    assert second_at - first_at == pytest.approx(around.times.announce)
    assert around.ledger.counts == {"announce": 2, "follow": 1}


def test_who_holds_but_wants_nothing_is_heard_too(loop: SimulatedLoop, around: Surroundings) -> None:
    heard: list[HaveUpdate] = []

    async def work() -> None:
        cache = Cache()
        cache.fill([KEY])
        link = SimLink(around, ME, Telling(around, host(cache)))
        link.follow(KEY.blob_id, Want.ALL)
        listening = asyncio.create_task(link.run(heard.extend))
        await asyncio.sleep(1.0)
        listening.cancel()
        await link.aclose()

    run(loop, work())
    assert [(update.have, update.want) for update in heard] == [(0xFF, Want.NONE)]


def test_connections_to_the_dead_break_and_are_refused(loop: SimulatedLoop, around: Surroundings) -> None:
    async def work() -> None:
        telling = Telling(around, host(Cache()))
        listening = asyncio.create_task(SimLink(around, ME, telling).run(lambda _: None))
        await asyncio.sleep(0.1)
        assert len(telling) == 1
        telling.die()
        with pytest.raises(PeerUnavailable):
            await listening
        with pytest.raises(PeerUnavailable):
            await SimLink(around, ME, telling).run(lambda _: None)

    run(loop, work())


def test_the_directory_names_the_others_as_they_said_last(loop: SimulatedLoop, around: Surroundings) -> None:
    one, other = BlobId("1" * 32), BlobId("2" * 32)

    async def work() -> None:
        shared = SharedDirectory()
        mine, theirs = (SimDirectory(around, shared, PeerId(name)) for name in ("mine", "theirs"))
        await mine.publish({one: Want.ALL})
        await theirs.publish({one: Want.NONE, other: Want.ALL})
        assert await mine.swarm(one) == {"theirs": Want.NONE}
        await theirs.publish({one: Want.ALL})
        assert await mine.swarm(one) == {"theirs": Want.ALL}
        assert await mine.swarm(other) == {}
        await theirs.aclose()
        assert await mine.swarm(one) == {}

    run(loop, work())
