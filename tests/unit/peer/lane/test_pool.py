"""Links that wait: few, not for long, and none that the peer has left."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from cachefs.errors import PeerUnavailable
from peer.lane.buffers import Buffers
from peer.lane.link import Link, lane_address
from peer.lane.pool import BLOCKED_SECONDS, LinkPool
from peer.values import Identity, PeerId
from tests.unit.peer.lane.world import giving, soon


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class World:
    """A port that accepts, and a pool with a clock of its own."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.peer = giving(self.listener.getsockname()[1])
        self.clock = Clock()
        self.pool = LinkPool(per_peer=2, idle_seconds=30, clock=self.clock)

    def open(self) -> Link:
        """A new link, in use."""
        link = Link(self.peer, soon(), 30, 30)
        self.pool.add(link)
        return link

    def take(self) -> Link | None:
        return self.pool.take(self.peer.peer_id)


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.pool.close()
    world.listener.close()


def test_the_link_used_last_is_used_next(world: World) -> None:
    first, second = world.open(), world.open()
    world.pool.put_back(first, keep=True)
    world.pool.put_back(second, keep=True)
    assert world.take() is second
    assert (world.pool.idle, world.pool.busy) == (1, 1)
    world.pool.put_back(second, keep=False)
    assert world.take() is first
    assert world.take() is None
    world.pool.put_back(first, keep=False)
    assert (world.pool.idle, world.pool.busy) == (0, 0)


def test_no_more_wait_than_allowed(world: World) -> None:
    for link in [world.open() for _ in range(5)]:
        world.pool.put_back(link, keep=True)
    assert (world.pool.idle, world.pool.busy) == (2, 0)


def test_idle_ones_are_closed_by_whoever_comes_next(world: World) -> None:
    for link in [world.open() for _ in range(2)]:
        world.pool.put_back(link, keep=True)
        world.clock.now += 10
    world.clock.now += 15
    assert world.pool.take(PeerId("another@1")) is None
    assert world.pool.idle == 1
    world.clock.now += 30
    assert world.take() is None
    assert world.pool.idle == 0


def test_what_the_peer_closed_is_not_handed_out(world: World) -> None:
    link = world.open()
    accepted, _ = world.listener.accept()
    world.pool.put_back(link, keep=True)
    accepted.close()
    assert world.take() is None
    assert (world.pool.idle, world.pool.busy) == (0, 0)


def test_what_the_peer_spoke_on_out_of_turn_is_not_handed_out(world: World) -> None:
    link = world.open()
    accepted, _ = world.listener.accept()
    with accepted:
        world.pool.put_back(link, keep=True)
        accepted.sendall(b"?")
        assert world.take() is None


def test_a_link_that_was_shut_is_not_kept(world: World) -> None:
    link = world.open()
    link.shut()
    link.shut()
    world.pool.put_back(link, keep=True)
    link.shut()
    assert world.pool.idle == 0


def test_a_link_that_opens_while_the_pool_closes_is_closed(world: World) -> None:
    link = Link(world.peer, soon(), 30, 30)
    world.pool.close()
    with pytest.raises(PeerUnavailable):
        world.pool.add(link)
    with pytest.raises(PeerUnavailable):
        world.take()
    assert world.pool.busy == 0


def test_closing_wakes_those_in_use(world: World) -> None:
    link = world.open()
    world.pool.close()
    with pytest.raises(PeerUnavailable, match="by us"):
        link.fill(memoryview(bytearray(1)), soon())
    world.pool.put_back(link, keep=True)
    assert (world.pool.idle, world.pool.busy) == (0, 0)


def test_a_blocked_lane_is_tried_again_after_a_while_or_when_the_peer_is_new(world: World) -> None:
    alice, bob = PeerId("alice@1"), PeerId("bob@1")
    world.pool.block(alice)
    world.clock.now += 1
    world.pool.block(bob)
    blocked_until = 100 + BLOCKED_SECONDS
    assert not world.pool.works(alice, 100)
    assert not world.pool.works(alice, blocked_until - 0.1)
    assert world.pool.works(alice, blocked_until)
    assert not world.pool.works(bob, blocked_until)
    world.pool.drop(bob)
    assert world.pool.works(bob, blocked_until)


def test_the_lane_is_on_the_host_of_the_grpc_address() -> None:
    def at(address: str) -> Identity:
        return Identity(node_id="n", boot_id="b", address=address, lane_port=9303, zone="", chunk_bytes=1)

    assert lane_address(at("10.0.0.1:9302")) == ("10.0.0.1", 9303)
    assert lane_address(at("[fd00::1]:9302")) == ("fd00::1", 9303)


def test_buffers_are_used_again_and_few_are_kept() -> None:
    buffers = Buffers(most=2)
    first = buffers.take()
    first[:3] = b"abc"
    buffers.give(first)
    assert buffers.take() is first
    for buffer in [buffers.take() for _ in range(4)]:
        buffers.give(buffer)
    assert len(buffers) == 2
    buffers.clear()
    assert len(buffers) == 0
