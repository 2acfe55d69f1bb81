"""Two halves of a stream end together."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from peer.rpc.racing import until_first


class Half:
    """Waits until it is cancelled, and notices."""

    def __init__(self) -> None:
        self.ended = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True


async def returns() -> None:
    await asyncio.sleep(0)


async def raises() -> None:
    raise ZeroDivisionError


async def test_one_returns_and_the_other_is_gone() -> None:
    half = Half()
    await until_first(half.run(), returns())
    assert half.ended


async def test_one_raises_and_the_other_is_gone() -> None:
    half = Half()
    with pytest.raises(ZeroDivisionError):
        await until_first(half.run(), raises())
    assert half.ended


async def test_cancelled_and_both_are_gone() -> None:
    halves = Half(), Half()
    task = asyncio.create_task(until_first(*(half.run() for half in halves)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert [half.ended for half in halves] == [True, True]
