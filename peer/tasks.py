"""Tasks on the loop that nobody waits for, and that end with their owner all the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine

log = logging.getLogger(__name__)

CANCEL_AGAIN_SECONDS = 2.0
"""A cancellation can get lost: `asyncio.wait_for`, as Redis' client uses it, drops one that comes at the moment its
wait ends (Python before 3.12). Longer than anybody here takes to clean up."""

Work = Coroutine[object, object, None]


class Tasks:
    """Those of one owner. One that fails is logged: there is nobody else to hear of it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def spawn(self, work: Work, name: str) -> asyncio.Task[None]:
        """Let `work` run until it is done, cancelled, or the owner is closed."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Cancel what runs, and wait until it is gone."""
        running = set(self._running)
        while running:
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_SECONDS)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s ended: %r", task.get_name(), error, exc_info=error)


@contextlib.asynccontextmanager
async def running(work: Work, name: str) -> AsyncIterator[None]:
    """`work` runs while the block does."""
    tasks = Tasks()
    tasks.spawn(work, name)
    try:
        yield
    finally:
        await tasks.aclose()
