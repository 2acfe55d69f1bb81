"""Tasks that end with their owner: none is left, none fails in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from peer.tasks import Tasks, running


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    one = Tasks()
    yield one
    await one.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


class Endless:
    """Work that only ends when it is cancelled, and takes a turn of the loop for that."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.gone = False

    async def work(self) -> None:
        try:
            self.began.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.gone = True


async def test_closing_cancels_what_runs_and_waits_for_it(tasks: Tasks) -> None:
    one, other = Endless(), Endless()
    for endless in (one, other):
        tasks.spawn(endless.work(), "endless")
        await endless.began.wait()
    await tasks.aclose()
    assert one.gone
    assert other.gone


async def test_what_was_cancelled_before_and_is_not_gone_yet_is_waited_for(tasks: Tasks) -> None:
    endless = Endless()
    task = tasks.spawn(endless.work(), "endless")
    await endless.began.wait()
    task.cancel()
    await tasks.aclose()
    assert endless.gone


async def test_a_cancellation_that_gets_lost_is_repeated(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` loses one that comes when its wait ends."""
    monkeypatch.setattr("peer.tasks.CANCEL_AGAIN_SECONDS", 0.01)
    endless, lost = Endless(), asyncio.Event()

    async def deaf_once() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            lost.set()
        await endless.work()

    tasks.spawn(deaf_once(), "deaf")
    await asyncio.sleep(0)
    await tasks.aclose()
    assert lost.is_set()
    assert endless.gone


async def test_what_is_done_is_forgotten(tasks: Tasks) -> None:
    task = tasks.spawn(asyncio.sleep(0), "short")
    await task
    await asyncio.sleep(0)
    assert tasks._running == set()


@pytest.mark.expects_warnings
async def test_what_fails_is_logged_by_its_name_and_harms_no_other(
    tasks: Tasks, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> None:
        raise ValueError("no")

    endless = Endless()
    tasks.spawn(endless.work(), "endless")
    failing = tasks.spawn(fail(), "mows-unlucky")
    await asyncio.wait({failing})
    await endless.began.wait()
    assert not endless.gone
    assert [record.getMessage() for record in caplog.records] == ["mows-unlucky ended: ValueError('no')"]


async def test_it_runs_while_the_block_does() -> None:
    endless = Endless()
    async with running(endless.work(), "endless"):
        await endless.began.wait()
        assert not endless.gone
    assert endless.gone


async def test_it_ends_with_a_block_that_fails() -> None:
    endless = Endless()

    async def fail() -> None:
        async with running(endless.work(), "endless"):
            await endless.began.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert endless.gone
