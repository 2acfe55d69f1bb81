"""A lease ends by the monotonic clock, can be renewed, and is told to whom it concerns."""

from __future__ import annotations

import asyncio

import pytest

from mows import instance_ends
from mows.instance_ends import LEASE_ENDED, POD_ENDED, PROCESS_ENDED, Clocks, InstanceEnds
from tests.unit.mows.twins import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def test_a_lease_ends_once_unless_it_is_renewed(clock: Clock) -> None:
    ends, told = InstanceEnds(Clocks(clock, Clock(5000.0))), list[str]()
    ends.call(told.append)
    ends.lease(60)
    assert ends.lease_until == 5060.0
    clock.now += 59
    ends.expire()
    ends.lease(60)
    clock.now += 59
    ends.expire()
    assert told == []
    clock.now += 1
    ends.expire()
    ends.expire()
    assert told == [LEASE_ENDED]
    ends.close()


async def test_a_lease_ends_by_itself() -> None:
    ends, told = InstanceEnds(Clocks()), asyncio.Event()
    ends.call(lambda _: told.set())
    ends.lease(0.01)
    await told.wait()
    ends.close()


async def test_what_ended_before_anybody_listened_is_told_at_once(clock: Clock) -> None:
    ends, told = InstanceEnds(Clocks(clock, clock)), list[str]()
    ends.watch_again(4_194_303, 1)
    ends.call(told.append)
    assert told == [PROCESS_ENDED]
    ends.close()


async def test_a_pod_is_looked_at_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instance_ends, "LOOK_SECONDS", 0.0)
    ends, told, looks = InstanceEnds(Clocks()), asyncio.get_running_loop().create_future(), iter([False, False, True])
    ends.call(told.set_result)
    await ends.look(lambda: next(looks))
    assert await told == POD_ENDED
    ends.close()


async def test_a_closed_one_tells_nothing(clock: Clock) -> None:
    ends = InstanceEnds(Clocks(clock, clock))
    ends.call(lambda _: pytest.fail("told"))
    ends.lease(1)
    ends.close()
    clock.now += 2
    ends.expire()
