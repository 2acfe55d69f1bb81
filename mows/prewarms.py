"""All prewarms of this node, and their tasks. Each has a record, so that the next daemon goes on with it."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mows import logs
from mows.errors import InvalidRequest, PrewarmNotFound, Stopping, TooManyPrewarms, WrongPrewarmState
from mows.fleet_nodes import Member, chosen
from mows.fleet_prewarm import Asking, FleetPrewarm
from mows.prewarm import Prewarm, PrewarmServices, holder_of
from mows.prewarm_job import EndedPrewarm, PrewarmJob
from mows.prewarm_records import PrewarmRecord, PrewarmRecords
from mows.prewarm_sources import parse_selection
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import FINISHED, Order
from mows.prewarm_status import decode, encode
from mows.threads import to_the_end

log = logging.getLogger(__name__)

MOST_FINISHED = 32
"""Records of finished prewarms."""

MOST_FILLING = 4
"""Prewarms that fill at the same time. One alone can fill a fast link; with a few, a slow origin keeps nobody waiting.
More would only share the link, and all be warm as late as the last."""

MOST_UNFINISHED = 64
"""Prewarms that are under way or wait: each keeps its listing."""

_ID = re.compile(r"[a-z0-9]{1,32}(-[a-z0-9]{1,16})?")


def _random_id() -> str:
    return uuid.uuid4().hex[:12]


@dataclass(frozen=True, slots=True)
class _Begun:
    """One that runs."""

    record: PrewarmRecord
    task: asyncio.Task[None]


class Fleet(Asking, Protocol):
    """The nodes (`mows.fleet.Fleet`)."""

    def members(self) -> Sequence[Member]:
        """Those that live, this one among them."""
        ...


class Prewarms:
    """Belongs to the loop. Owns one task per running prewarm; `close` ends them all."""

    def __init__(
        self,
        services: PrewarmServices,
        records: PrewarmRecords,
        *,
        lease_seconds: float,
        keep_finished_seconds: float,
        wall_clock: Callable[[], float] = time.time,
        new_id: Callable[[], str] = _random_id,
    ) -> None:
        self._services = services
        self._records = records
        self._lease_seconds = lease_seconds
        self._keep_finished_seconds = keep_finished_seconds
        self._wall_clock = wall_clock
        self._new_id = new_id
        self._fleet: Fleet | None = None
        self._jobs: dict[str, PrewarmJob] = {}
        self._begun: dict[str, _Begun] = {}
        self._turns = asyncio.Semaphore(MOST_FILLING)
        self._writing = asyncio.Lock()  # guards the files: one writer at a time, so that the latest word stays
        self._stopping = False

    def all(self) -> list[PrewarmJob]:
        """Running and lately finished ones, oldest first."""
        self._forget_old()
        return list(self._jobs.values())

    def get(self, prewarm_id: str) -> PrewarmJob:
        """Raises PrewarmNotFound."""
        self._forget_old()
        try:
            return self._jobs[prewarm_id]
        except KeyError:
            raise PrewarmNotFound(f"prewarm {prewarm_id!r}: there is none") from None

    def spec(
        self,
        sources: Sequence[str],
        lease_seconds: float | None = None,
        *,
        order: Order = Order.ENGINE,
        rate: float | None = None,
        verify: bool = False,
    ) -> PrewarmSpec:
        """What these wishes are, each source once. None as the lease: the configured one.

        Raises InvalidSource, UnknownScheme.
        """
        texts = tuple(dict.fromkeys(parse_selection(text).text for text in sources))
        lease_seconds = self._lease_seconds if lease_seconds is None else lease_seconds
        return PrewarmSpec(texts, lease_seconds, order, rate, verify)

    def join(self, fleet: Fleet) -> None:
        """From now on there are prewarms of several nodes."""
        self._fleet = fleet

    def start_on(self, nodes: str, spec: PrewarmSpec) -> PrewarmJob:
        """Begin on several nodes; returns at once. Raises NoSuchNodes, TooManyPrewarms, Stopping."""
        if self._fleet is None:
            raise Stopping("prewarm: the daemon is only starting")
        names = chosen(nodes, self._fleet.members())
        self._check_room()
        prewarm_id = self._new_id()
        record = PrewarmRecord(prewarm_id, spec, self._wall_clock() + spec.lease_seconds, nodes=names)
        return self._begin(FleetPrewarm(prewarm_id, spec, names, self._fleet, self._services.clock), record)

    def start(self, spec: PrewarmSpec, prewarm_id: str | None = None) -> PrewarmJob:
        """Begin, or wait for a turn; returns at once. One that has this id already is left as it is.

        Raises InvalidRequest, TooManyPrewarms, Stopping.
        """
        if prewarm_id is not None and not _ID.fullmatch(prewarm_id):
            raise InvalidRequest(f"prewarm id {prewarm_id!r}: is not one")
        if prewarm_id in self._jobs:
            return self._jobs[prewarm_id]
        self._check_room()
        prewarm_id = prewarm_id or self._new_id()
        record = PrewarmRecord(prewarm_id, spec, self._wall_clock() + spec.lease_seconds)
        return self._begin(Prewarm(prewarm_id, spec, self._services, self._turns), record)

    async def restore(self) -> None:
        """Go on with the prewarms of an earlier daemon. Returns when each has begun again."""
        for record in await asyncio.to_thread(self._records.found):
            try:
                self._restore(record)
            except ValueError as error:
                logs.warn(log, "record of a prewarm lost", prewarm=record.prewarm_id, reason=str(error))
                await asyncio.to_thread(self._records.remove, record.prewarm_id)

    async def pause(self, prewarm_id: str) -> PrewarmJob:
        """Fetch nothing more for it until `resume`, over restarts too. Raises PrewarmNotFound, WrongPrewarmState."""
        return await self._set_paused(prewarm_id, paused=True)

    async def resume(self, prewarm_id: str) -> PrewarmJob:
        """Go on with it. Raises PrewarmNotFound, WrongPrewarmState."""
        return await self._set_paused(prewarm_id, paused=False)

    async def delete(self, prewarm_id: str) -> None:
        """Stop it if it runs, end its lease, forget it. Works for the lease of an earlier process too."""
        await self._end([prewarm_id])
        if job := self._jobs.get(prewarm_id):
            await job.withdraw()
        self._forget(prewarm_id)
        await self._services.pins.release(holder_of(prewarm_id))

    async def close(self) -> None:
        """Stop all, and take no more. Leases and records stay, for the next daemon."""
        self._stopping = True
        await self._end(list(self._begun))

    # --------------------------------------------------------------- internal

    def _check_room(self) -> None:
        if self._stopping:
            raise Stopping("prewarm: the daemon is stopping")
        self._forget_old()
        if sum(job.finished_at is None for job in self._jobs.values()) >= MOST_UNFINISHED:
            raise TooManyPrewarms(f"{MOST_UNFINISHED} prewarms are under way or wait")

    def _begin(self, job: PrewarmJob, record: PrewarmRecord) -> PrewarmJob:
        self._jobs[job.prewarm_id] = job
        task = asyncio.create_task(self._live(job), name=f"prewarm {job.prewarm_id}")
        self._begun[job.prewarm_id] = _Begun(record, task)
        return job

    async def _live(self, job: PrewarmJob) -> None:
        await self._write(job.prewarm_id)
        await job.run()
        await self._change(job.prewarm_id, ended=encode(await job.status()), ended_at=self._wall_clock())

    async def _change(self, prewarm_id: str, **changes: Any) -> None:  # noqa: ANN401 - fields of the record
        if begun := self._begun.get(prewarm_id):  # else it was forgotten meanwhile
            self._begun[prewarm_id] = replace(begun, record=replace(begun.record, **changes))
            await self._write(prewarm_id)

    async def _write(self, prewarm_id: str) -> None:
        async with self._writing:
            if begun := self._begun.get(prewarm_id):
                await to_the_end(self._records.write, begun.record)

    def _restore(self, record: PrewarmRecord) -> None:
        """Raises ValueError when what the record says of the end cannot be understood."""
        now = self._wall_clock()
        if record.ended is not None:
            ago = max(0.0, now - (record.ended_at or now))
            self._jobs[record.prewarm_id] = EndedPrewarm(decode(record.ended), self._services.clock, ago)
            return
        # Never longer than it was given for, whatever became of the wall clock.
        left = max(0.0, min(record.lease_until - now, record.spec.lease_seconds))
        job = self._again(record, left)
        if record.paused:
            job.pause()
        self._begin(job, record)
        logs.event(log, "goes on", prewarm=record.prewarm_id, lease_left_seconds=round(left))

    def _again(self, record: PrewarmRecord, lease_left_seconds: float) -> PrewarmJob:
        if record.nodes is not None:
            if self._fleet is None:
                raise ValueError("it is of several nodes, and this one has no peers any more")
            return FleetPrewarm(record.prewarm_id, record.spec, record.nodes, self._fleet, self._services.clock)
        services, turns = self._services, self._turns
        return Prewarm(record.prewarm_id, record.spec, services, turns, lease_left_seconds=lease_left_seconds)

    async def _set_paused(self, prewarm_id: str, *, paused: bool) -> PrewarmJob:
        job = self.get(prewarm_id)
        if job.state in FINISHED or prewarm_id not in self._begun:
            raise WrongPrewarmState(f"prewarm {prewarm_id!r}: is {job.state}")
        (job.pause if paused else job.resume)()
        await self._change(prewarm_id, paused=paused)
        return job

    async def _end(self, prewarm_ids: Sequence[str]) -> None:
        tasks = {self._begun[prewarm_id].task for prewarm_id in prewarm_ids if prewarm_id in self._begun}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _forget_old(self) -> None:
        """Those that finished long ago, and the oldest when there are many."""
        finished = [prewarm_id for prewarm_id, job in self._jobs.items() if job.finished_at is not None]
        oldest = self._services.clock() - self._keep_finished_seconds
        surplus = finished[: max(0, len(finished) - MOST_FINISHED)]
        for prewarm_id in finished:
            if prewarm_id in surplus or (self._jobs[prewarm_id].finished_at or 0.0) < oldest:
                self._forget(prewarm_id)

    def _forget(self, prewarm_id: str) -> None:
        """The record is one small file: removing it on the loop costs less than a thread."""
        self._jobs.pop(prewarm_id, None)
        self._begun.pop(prewarm_id, None)
        self._records.remove(prewarm_id)
