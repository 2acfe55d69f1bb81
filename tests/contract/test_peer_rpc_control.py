"""Hello, have, locate and tickets between a server and a link, over real connections."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from cachefs.errors import PeerLacks, PeerMismatch, PeerUnavailable
from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.rpc import telling
from peer.rpc.hello import hello
from peer.rpc.link import PeerLink
from peer.rpc.messages import Batch
from peer.rpc.security import Security
from peer.settings import SecuritySettings
from peer.values import HaveUpdate
from tests.contract.peer_world import ME, QUICK, Following, World, identity, serving, settings_of

BLOB = BlobId("ab" * 16)
OTHER = BlobId("cd" * 16)
OPEN = Security(SecuritySettings())


def update(have: int, *, whole: bool = True, blob: BlobId = BLOB, chunk_count: int = 1000) -> HaveUpdate:
    return HaveUpdate(blob=blob, chunk_count=chunk_count, whole=whole, have=have, fetching=0, want=Want.ALL)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(tmp_path) as running:
        yield running


class Follower:
    """A link whose stream runs, and what it brought."""

    def __init__(self, link: PeerLink, world: World) -> None:
        self.link = link
        self.world = world
        self.updates: asyncio.Queue[HaveUpdate] = asyncio.Queue()

    async def __aenter__(self) -> Follower:
        self.task = asyncio.create_task(self.link.run(self._take))
        self.subscription: Following = await self.world.host.subscriptions.get()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.subscription.closed.wait()

    def _take(self, updates: Sequence[HaveUpdate]) -> None:
        for one in updates:
            self.updates.put_nowait(one)


class Metronome:
    """Ticks with each batch that any link receives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.beat: asyncio.Queue[Batch] = asyncio.Queue()
        decode = Batch.decode

        def noticed(data: bytes) -> Batch:
            batch = decode(data)
            self.beat.put_nowait(batch)
            return batch

        monkeypatch.setattr(Batch, "decode", noticed)


class TestHello:
    async def test_both_learn_of_each_other(self, world: World) -> None:
        reply = await hello(world.server.address, ME, OPEN, 5.0)
        assert reply.identity == world.host.mine
        assert reply.cannot_reach_you == ""
        assert world.host.met == [ME]

    async def test_that_the_way_back_is_closed(self, world: World) -> None:
        world.host.cannot_reach = "10.9.9.9:1: no route to host"
        assert (await hello(world.server.address, ME, OPEN, 5.0)).cannot_reach_you == "10.9.9.9:1: no route to host"

    async def test_an_older_node_is_refused_with_both_versions(self, world: World) -> None:
        with pytest.raises(PeerMismatch, match=r"speaks protocol version 7, and the other side 1"):
            await hello(world.server.address, dataclasses.replace(ME, protocol=7), OPEN, 5.0)
        assert world.server.rejected == {"protocol_version": 1}
        assert world.host.met == []

    async def test_an_older_server_is_refused_with_both_versions(self, world: World) -> None:
        world.host.mine = dataclasses.replace(world.host.mine, protocol=7)
        with pytest.raises(PeerMismatch, match=r"node 'node-b' speaks protocol version 7, and the other side 1"):
            await hello(world.server.address, ME, OPEN, 5.0)

    async def test_an_error_of_the_node_is_in_its_log_only(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.host.error = ZeroDivisionError("secret detail")
        with pytest.raises(Exception, match="its log has more") as caught:
            await hello(world.server.address, ME, OPEN, 5.0)
        assert "secret" not in str(caught.value)
        assert [r.exc_info is not None for r in caplog.records if r.levelno == logging.ERROR] == [True]


class TestHave:
    async def test_all_at_first_then_what_changed(self, world: World) -> None:
        async with world.link() as link:
            link.follow(BLOB, Want.ALL)
            async with Follower(link, world) as follower:
                assert follower.subscription.caller == ME
                await follower.subscription.until_follows({BLOB: Want.ALL})
                for news in update(0b1011), update(1 << 999, whole=False):
                    follower.subscription.tell(news)
                    assert await follower.updates.get() == news

    async def test_follows_change_while_the_stream_runs(self, world: World) -> None:
        async with world.link() as link, Follower(link, world) as follower:
            link.follow(BLOB, Want.PART)
            await follower.subscription.until_follows({BLOB: Want.PART})
            link.follow(BLOB, Want.ALL)
            link.follow(OTHER, Want.NONE)
            await follower.subscription.until_follows({BLOB: Want.ALL, OTHER: Want.NONE})
            link.unfollow(BLOB)
            link.unfollow(BLOB)
            await follower.subscription.until_follows({OTHER: Want.NONE})

    async def test_the_next_stream_follows_the_same(self, world: World) -> None:
        async with world.link() as link:
            async with Follower(link, world):
                link.follow(BLOB, Want.ALL)
            async with Follower(link, world) as follower:
                await follower.subscription.until_follows({BLOB: Want.ALL})

    async def test_more_than_one_request_or_one_batch_takes(self, world: World) -> None:
        blobs = [BlobId(f"{n:032x}") for n in range(3000)]
        async with world.link() as link:
            for blob in blobs:
                link.follow(blob, Want.ALL)
            async with Follower(link, world) as follower:
                await follower.subscription.until_follows(dict.fromkeys(blobs, Want.ALL))
                every_other = int("01" * 2000, 2)
                news = [update(every_other, blob=blob, chunk_count=4000) for blob in blobs]
                follower.subscription.tell(*news)
                assert [await follower.updates.get() for _ in news] == news

    async def test_too_many_blobs_are_not_followed_and_counted(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(telling, "MAX_FOLLOWED", 1)
        async with world.link() as link, Follower(link, world) as follower:
            link.follow(BLOB, Want.ALL)
            await follower.subscription.until_follows({BLOB: Want.ALL})
            link.follow(OTHER, Want.ALL)
            link.follow(BLOB, Want.PART)
            await follower.subscription.until_follows({BLOB: Want.PART})
            assert world.server.rejected == {"too_many": 1}

    async def test_too_many_streams_of_one_caller(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(telling, "MAX_STREAMS_PER_CALLER", 1)
        async with world.link() as link:
            async with Follower(link, world):
                with pytest.raises(Exception, match="has 1 streams of haves already"):
                    await link.run(lambda _: None)
            async with Follower(link, world):  # the first one's place is free again
                assert world.server.rejected == {"too_many": 1}

    async def test_silence_ends_it(self, tmp_path: Path) -> None:
        mute = dataclasses.replace(QUICK, heartbeat=3600.0, dead_after=0.2)
        async with serving(tmp_path, settings_of(times=mute)) as world, world.link() as link:
            with pytest.raises(PeerUnavailable, match=r"Have: silent for 0\.2 s"):
                await link.run(lambda _: None)

    async def test_a_heartbeat_is_no_news_but_keeps_it(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        received = Metronome(monkeypatch)
        async with world.link() as link, Follower(link, world) as follower:
            for _ in range(3):
                await received.beat.get()
            assert follower.updates.empty()
            assert not follower.task.done()

    async def test_another_run_of_the_node_answers(self, world: World) -> None:
        async with world.link() as link:
            world.host.mine = identity(boot_id="1" * 16)
            with pytest.raises(PeerUnavailable, match=r"node-b@1{16} answers there, not node-b@0123456789abcdef"):
                await link.run(lambda _: None)

    async def test_the_server_stops(self, tmp_path: Path) -> None:
        async with serving(tmp_path) as world:
            link = PeerLink(world.there, lambda: ME, OPEN, QUICK)
            task = asyncio.create_task(link.run(lambda _: None))
            subscription = await world.host.subscriptions.get()
        assert subscription.closed.is_set()
        with pytest.raises(PeerUnavailable):
            await task
        with pytest.raises(PeerUnavailable):
            await link.run(lambda _: None)
        await link.aclose()

    async def test_the_link_is_closed(self, world: World) -> None:
        async with world.link() as link:
            task = asyncio.create_task(link.run(lambda _: None))
            await world.host.subscriptions.get()
            await link.aclose()
            with pytest.raises(PeerUnavailable, match="closed"):
                await task
            with pytest.raises(PeerUnavailable, match="closed"):
                await link.locate(BLOB, 1, urgent=False)


class TestQuestions:
    async def test_locate(self, world: World) -> None:
        world.host.have, world.host.fetching = 0b0111, 0b1000
        async with world.link() as link:
            assert await link.locate(BLOB, 0b1010, urgent=True) == (0b0010, 0b1000)
        assert world.host.located == [(BLOB, 0b1010, True)]

    async def test_which_blobs_are_there_as_a_whole(self, world: World) -> None:
        other = BlobId("11" * 16)
        world.host.complete = {BLOB, BlobId("22" * 16)}
        async with world.link() as link:
            assert await link.whole([BLOB, other]) == {BLOB}
            assert await link.whole([]) == set()

    async def test_ticket(self, world: World) -> None:
        async with world.link() as link:
            assert await link.ticket() == b"ticket of node-a@fedcba9876543210"

    async def test_no_lane_no_ticket(self, world: World) -> None:
        world.host.mine = dataclasses.replace(world.host.mine, lane_port=0)
        async with world.link() as link:
            with pytest.raises(PeerLacks, match="no bulk lane"):
                await link.ticket()

    async def test_both_sides_count_what_was_said(self, world: World) -> None:
        async with world.link() as link:
            await link.locate(BLOB, 0b1010, urgent=True)
            assert link.traffic.messages == {"sent": 1, "received": 1}
            assert link.traffic.bytes["sent"] == world.server.traffic.bytes["received"] > 16
            assert link.traffic.bytes["received"] == world.server.traffic.bytes["sent"]


async def test_a_taken_port_is_an_error_that_names_it(world: World, tmp_path: Path) -> None:
    taken = dataclasses.replace(world.settings, listen=world.server.address)
    (tmp_path / "second").mkdir()
    with pytest.raises(OSError, match=f"peers.listen {world.server.address}"):
        async with serving(tmp_path / "second", taken):
            pass
