"""All prewarms of this node, and their tasks."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Sequence

from cachefs.origin import parse_source
from mows.errors import PrewarmNotFound, Stopping, TooManyPrewarms
from mows.prewarm import Prewarm, PrewarmServices, holder_of

MOST_FINISHED = 32
"""Records of finished prewarms. A model of 100 files costs 0.1 MB in each."""

MOST_FILLING = 4
"""Prewarms that fill at the same time. One alone can fill a fast link; with a few, a slow origin keeps nobody waiting.
More would only share the link, and all be warm as late as the last."""

MOST_UNFINISHED = 64
"""Prewarms that are under way or wait: each keeps its listing, as a finished one does."""


def _random_id() -> str:
    return uuid.uuid4().hex[:12]


class Prewarms:
    """Belongs to the loop. Owns one task per running prewarm; `close` ends them all."""

    def __init__(
        self,
        services: PrewarmServices,
        *,
        lease_seconds: float,
        keep_finished_seconds: float,
        new_id: Callable[[], str] = _random_id,
    ) -> None:
        self._services = services
        self._lease_seconds = lease_seconds
        self._keep_finished_seconds = keep_finished_seconds
        self._new_id = new_id
        self._jobs: dict[str, Prewarm] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(MOST_FILLING)
        self._stopping = False

    def all(self) -> list[Prewarm]:
        """Running and lately finished ones, oldest first."""
        self._forget_old()
        return list(self._jobs.values())

    def get(self, prewarm_id: str) -> Prewarm:
        """Raises PrewarmNotFound."""
        self._forget_old()
        try:
            return self._jobs[prewarm_id]
        except KeyError:
            raise PrewarmNotFound(f"prewarm {prewarm_id!r}: there is none") from None

    def start(self, sources: Sequence[str], lease_seconds: float | None) -> Prewarm:
        """Begin, or wait for a turn; returns at once. None: the configured lease.

        Raises InvalidSource, UnknownScheme, TooManyPrewarms, Stopping.
        """
        if self._stopping:
            raise Stopping("prewarm: the daemon is stopping")
        parsed = [parse_source(text) for text in sources]
        self._forget_old()
        if sum(job.finished_at is None for job in self._jobs.values()) >= MOST_UNFINISHED:
            raise TooManyPrewarms(f"{MOST_UNFINISHED} prewarms are under way or wait")
        lease_seconds = self._lease_seconds if lease_seconds is None else lease_seconds
        job = Prewarm(self._new_id(), list(dict.fromkeys(parsed)), lease_seconds, self._services, self._turns)
        self._jobs[job.prewarm_id] = job
        self._tasks[job.prewarm_id] = asyncio.create_task(job.run(), name=f"prewarm {job.prewarm_id}")
        return job

    async def delete(self, prewarm_id: str) -> None:
        """Stop it if it runs, end its lease, forget it. Works for the lease of an earlier process too."""
        await self._end([prewarm_id])
        self._jobs.pop(prewarm_id, None)
        await self._services.pins.release(holder_of(prewarm_id))

    async def close(self) -> None:
        """Stop all, and take no more. Leases stay."""
        self._stopping = True
        await self._end(list(self._tasks))

    async def _end(self, prewarm_ids: Sequence[str]) -> None:
        tasks = {self._tasks.pop(prewarm_id) for prewarm_id in prewarm_ids if prewarm_id in self._tasks}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget_old(self) -> None:
        """Those that finished long ago, and the oldest when there are many: each keeps its listing."""
        finished = [prewarm_id for prewarm_id, job in self._jobs.items() if job.finished_at is not None]
        for prewarm_id in finished[: max(0, len(finished) - MOST_FINISHED)]:
            self._forget(prewarm_id)
        oldest = self._services.clock() - self._keep_finished_seconds
        for prewarm_id, job in list(self._jobs.items()):
            if job.finished_at is not None and job.finished_at < oldest:
                self._forget(prewarm_id)

    def _forget(self, prewarm_id: str) -> None:
        del self._jobs[prewarm_id]
        self._tasks.pop(prewarm_id, None)
