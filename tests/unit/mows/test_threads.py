"""Blocking calls whose end matters."""

from __future__ import annotations

import asyncio
import threading

import pytest

from mows.threads import to_the_end


async def test_result_and_error_come_back() -> None:
    assert await to_the_end(max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        await to_the_end(divmod, 1, 0)


@pytest.mark.parametrize("error", [None, ZeroDivisionError("nobody is left to see it")])
async def test_a_cancelled_caller_waits_for_the_end(error: Exception | None) -> None:
    loop, began, go_on, ended = asyncio.get_running_loop(), asyncio.Event(), threading.Event(), threading.Event()

    def work() -> None:
        loop.call_soon_threadsafe(began.set)
        go_on.wait(30)
        ended.set()
        if error is not None:
            raise error

    task = asyncio.create_task(to_the_end(work))
    await began.wait()
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
