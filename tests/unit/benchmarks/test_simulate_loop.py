"""asyncio on simulated time: timers in their order, tasks, what fails."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.timeline import Timeline


@pytest.fixture
def loop() -> Iterator[SimulatedLoop]:
    made = SimulatedLoop(Timeline())
    yield made
    made.close()


def run(loop: SimulatedLoop, task: asyncio.Task[object]) -> None:
    loop.run(lambda: None, lambda: not task.done())


def test_sleeping_takes_simulated_time(loop: SimulatedLoop) -> None:
    async def sleepers() -> float:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(5.0))
            group.create_task(asyncio.sleep(3600.0))
        return loop.time()

    task = loop.create_task(sleepers())
    run(loop, task)
    assert task.result() == pytest.approx(3600.0)


def test_a_thread_is_done_at_once_and_timeouts_end_what_waits(loop: SimulatedLoop) -> None:
    async def work() -> float:
        assert await asyncio.to_thread(sum, [1, 2]) == 3
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await asyncio.Event().wait()
        return loop.time()

    task = loop.create_task(work())
    run(loop, task)
    assert task.result() == pytest.approx(2.0)


def test_a_cancelled_timer_does_nothing(loop: SimulatedLoop) -> None:
    called: list[str] = []
    loop.call_later(1.0, called.append, "cancelled").cancel()
    loop.call_at(2.0, called.append, "kept")
    loop.run(lambda: None, lambda: loop.time() < 2.0)
    assert called == ["kept"]


def test_what_a_callback_raises_ends_the_run(loop: SimulatedLoop) -> None:
    loop.call_later(1.0, [].pop)
    with pytest.raises(IndexError):
        loop.run(lambda: None, lambda: True)
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.get_running_loop()
