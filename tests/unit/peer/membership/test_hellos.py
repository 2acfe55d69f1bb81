"""Hellos are bounded, and one that hangs or breaks holds up no other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from peer.membership.contact import Contact
from peer.membership.hellos import HELLOS_TO_STRANGERS, INTRODUCED, Hellos
from peer.settings import PeerTimes
from tests.membership_world import BRISK, World, node
from tests.waiting import until

MINE, A = node("me"), node("a")


def hellos(world: World, times: PeerTimes = BRISK) -> Hellos:
    def changed(contact: Contact) -> None:
        pass

    return Hellos(MINE, world, times, time.monotonic, changed)


@asynccontextmanager
async def sending(them: Hellos) -> AsyncIterator[None]:
    task = asyncio.create_task(them.run())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_silent_strangers_are_asked_some_at_a_time_and_do_not_delay_a_member() -> None:
    world = World()
    world.runs(A)
    them = hellos(world)
    them.expect([A.address], [])
    async with sending(them):
        await until(lambda: them.contacts[0].reply)
        strangers = [f"silent{number}:1" for number in range(HELLOS_TO_STRANGERS + 10)]
        world.silent.update(strangers)
        them.expect([A.address, *strangers], [])
        await until(lambda: world.waiting == HELLOS_TO_STRANGERS)
        asked = world.asked.count(A.address)
        await until(lambda: world.asked.count(A.address) > asked + 3)
        assert world.waiting == HELLOS_TO_STRANGERS
    assert world.waiting == 0


async def test_introductions_have_a_limit() -> None:
    them = hellos(World())
    for number in range(INTRODUCED + 5):
        assert them.introduce(node(f"n{number}")) == ""
    assert len(them.contacts) == INTRODUCED


async def test_listed_addresses_do_not_count_as_introduced() -> None:
    them = hellos(World())
    them.expect([f"n{number}:9302" for number in range(INTRODUCED)], [])
    them.introduce(A)
    assert len(them.contacts) == INTRODUCED + 1


async def test_a_bug_in_one_hello_is_logged_with_its_traceback_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World({"broken:1": ZeroDivisionError("a bug")})
    world.runs(A)
    them = hellos(world)
    them.expect(["broken:1", A.address], [])
    async with sending(them):
        await until(lambda: world.asked.count("broken:1") > 1 and world.asked.count(A.address) > 3)
    (broken, healthy) = them.contacts
    assert broken.error
    assert broken.error.code == "internal"
    assert healthy.reply
    assert any(record.exc_info for record in caplog.records)


async def test_what_was_sent_and_failed_is_counted() -> None:
    world = World()
    world.runs(A)
    them = hellos(world)
    them.expect([A.address, "nobody:1"], [])
    async with sending(them):
        await until(lambda: them.failed == 2)
    assert them.sent == len(world.asked)
    assert them.failed == world.asked.count("nobody:1")
