"""The pace at which one client may ask an origin."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.fetch.pace import BURST_SECONDS, Pace
from tests.unit.fetch.kit import CHUNK, ScriptedOrigin, World, content, no_account


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_the_mean_rate_is_kept_whatever_the_size_of_requests() -> None:
    clock = Clock()
    pace, taken = Pace(1000.0, clock), 0
    for _ in range(1000):
        while pace.take(700):
            taken += 700
        clock.now = max(clock.now + 0.01, pace.opens_at())
    elapsed = clock.now - 50.0
    assert 1000 * elapsed <= taken <= 1000 * (elapsed + BURST_SECONDS) + 700


def test_what_is_owed_says_when_it_opens() -> None:
    clock = Clock()
    pace = Pace(1000.0, clock)
    assert pace.opens_at() == 0.0
    assert pace.take(2500)
    assert not pace.take(1)
    assert pace.opens_at() == pytest.approx(52.0)
    clock.now = 60.0
    assert pace.opens_at() == 0.0
    assert pace.take(1)


def test_idle_time_saves_up_no_more_than_a_burst() -> None:
    clock = Clock()
    pace = Pace(1000.0, clock)
    clock.now += 1000.0
    assert pace.take(round(1000 * BURST_SECONDS) + 1)
    assert not pace.take(1)


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_no_pace(rate: float) -> None:
    with pytest.raises(ValueError, match="no pace"):
        Pace(rate)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    one = World(tmp_path)
    async with one.fetcher:
        yield one
    one.store.close()


async def test_a_warm_up_asks_the_origin_no_faster(world: World) -> None:
    info, origin = world.put("k", content(40 * CHUNK)), ScriptedOrigin(world.memory)
    rate, began = 60 * CHUNK, time.monotonic()
    await world.fetcher.warm(info, origin, account=no_account, pace=Pace(rate))
    longest_request = max(len(span) for _, span in origin.requests)
    assert time.monotonic() - began >= (40 * CHUNK - longest_request) / rate - BURST_SECONDS
    assert world.memory.read_bytes == 40 * CHUNK


async def test_others_do_not_wait_for_it(world: World) -> None:
    """They warm the same file up in their own name."""
    info = world.put("k", content(40 * CHUNK))
    slow = asyncio.create_task(world.fetcher.warm(info, world.origin, account=no_account, pace=Pace(1.0)))
    await world.fetcher.warm(info, world.origin, account=no_account)
    await slow
    assert world.memory.read_bytes == 40 * CHUNK
