"""One prewarm of several nodes, at the node that was asked for it, which tells each of them and asks how far it is.

Each node fills its own cache; the swarm makes that one copy from the origin. A node that cannot be asked for a while
goes on by itself, also over restarts of its daemon or of this one.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cachefs.errors import CacheError, PeerError, PeerUnavailable
from mows import logs
from mows.errors import PrewarmNotFound
from mows.prewarm_job import PrewarmJob
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import FINISHED, PrewarmState
from mows.prewarm_status import NodeStatus, PrewarmStatus, encode_spec
from mows.progress import ByteCounts

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 1.0
LOST_SECONDS = 120.0
"""A node that was silent for so long counts as failed. A daemon is back within some seconds."""


class Asking(Protocol):
    """How nodes are asked (`mows.fleet.Fleet`)."""

    def ask(self, node: str, question: dict[str, Any]) -> Awaitable[PrewarmStatus | None]:
        """See `Fleet.ask`."""
        ...


@dataclass(slots=True)
class _Part:
    """What is known of one node."""

    prewarm_id: str
    """There."""
    status: PrewarmStatus
    heard_at: float
    begun: bool = False
    paused: bool = False
    unheard: str = ""

    @property
    def finished(self) -> bool:
        return self.status.state in FINISHED


class FleetPrewarm(PrewarmJob):
    """`nodes` are asked by name. The rate is shared out evenly."""

    def __init__(
        self,
        prewarm_id: str,
        spec: PrewarmSpec,
        nodes: Sequence[str],
        fleet: Asking,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(prewarm_id, spec, clock)
        self.nodes = tuple(nodes)
        self._fleet = fleet
        share = replace(spec, rate=None if spec.rate is None else spec.rate / len(self.nodes))
        self._share = share
        self._parts: Mapping[str, _Part] = {
            node: _Part(child, PrewarmStatus(child, share, PrewarmState.PENDING), clock())
            for node, child in ((node, f"{prewarm_id}-{number}") for number, node in enumerate(self.nodes))
        }
        self._asked = asyncio.Event()  # set when each node was asked once

    async def run(self) -> None:
        """See `PrewarmJob.run`."""
        with logs.bound(prewarm=self.prewarm_id):
            while self.state not in FINISHED:
                await asyncio.gather(*(self._ask(node, part) for node, part in self._parts.items()))
                self._asked.set()
                self._settle()
                if self.state not in FINISHED:
                    await self._change(ASK_AGAIN_SECONDS)

    async def status(self) -> PrewarmStatus:
        """See `PrewarmJob.status`."""
        nodes = tuple(NodeStatus(node, part.status, part.unheard) for node, part in self._parts.items())
        return combined(self.prewarm_id, self.spec, self.state, nodes)

    async def admitted(self, timeout_seconds: float) -> None:
        """Wait until each node was asked. One on which it does not fit fails, and the others go on."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._asked.wait()
        except TimeoutError:
            return

    async def withdraw(self) -> None:
        """End it on all nodes, as far as they can be asked."""
        await asyncio.gather(*(self._withdraw(node, part) for node, part in self._parts.items()))

    async def _withdraw(self, node: str, part: _Part) -> None:
        try:
            await self._fleet.ask(node, {"action": "delete", "id": part.prewarm_id})
        except CacheError as error:
            logs.warn(log, "prewarm not ended on a node, its lease stays", node=node, reason=str(error))

    async def _ask(self, node: str, part: _Part) -> None:
        if part.finished:
            return
        try:
            status = await self._fleet.ask(node, self._question(part))
        except PrewarmNotFound:  # the node lost its records
            part.begun = part.paused = False
        except PeerError as error:
            self._unheard(part, error)
        except CacheError as error:
            self._failed(part, error)
        except ValueError as error:
            self._unheard(part, PeerUnavailable(f"node {node!r}: {error}"))
        else:
            assert status is not None, "only what is deleted has no state"
            part.begun, part.status, part.unheard, part.heard_at = True, status, "", self._clock()

    def _question(self, part: _Part) -> dict[str, Any]:
        if not part.begun:
            return {"action": "start", "id": part.prewarm_id, "spec": encode_spec(self._share)}
        if part.paused == self.paused:
            return {"action": "state", "id": part.prewarm_id}
        part.paused = self.paused
        return {"action": "pause" if self.paused else "resume", "id": part.prewarm_id}

    def _unheard(self, part: _Part, error: PeerError) -> None:
        part.unheard = str(error)
        part.paused = not self.paused  # whether it heard the last word is not known: say it again
        if self._clock() - part.heard_at > LOST_SECONDS:
            self._failed(part, error)

    def _failed(self, part: _Part, error: CacheError) -> None:
        part.status = replace(part.status, state=PrewarmState.FAILED, error=error, eta_seconds=None)

    def _settle(self) -> None:
        state = state_of([part.status.state for part in self._parts.values()])
        if state is not self.state:
            self._go(state)


def state_of(states: Sequence[PrewarmState]) -> PrewarmState:
    """The state of the whole. Pure: finished when all are, warm when all are, else as far as any of them is."""
    if all(state in FINISHED for state in states):
        return next((state for state in (PrewarmState.FAILED, PrewarmState.CANCELLED) if state in states), _WARM)
    order = (PrewarmState.WARMING, PrewarmState.VERIFYING, PrewarmState.PAUSED, PrewarmState.QUEUED)
    return next((state for state in order if state in states), _AS_FAR[any(state in FINISHED for state in states)])


_WARM = PrewarmState.WARM
_AS_FAR = {True: PrewarmState.WARMING, False: PrewarmState.PENDING}


def combined(prewarm_id: str, spec: PrewarmSpec, state: PrewarmState, nodes: tuple[NodeStatus, ...]) -> PrewarmStatus:
    """The sums of the parts; the time left is that of the last node, unknown when one of them is. Pure."""
    parts = [node.status for node in nodes]
    unfinished = [part for part in parts if part.state not in FINISHED]
    left = [part.eta_seconds for part in unfinished]
    ends = [part.warm_until for part in parts]
    errors = [part.eta_error_ratio for part in parts if part.eta_error_ratio is not None]
    rates = [part.bytes_per_second for part in unfinished if part.bytes_per_second is not None]
    corrupt = [part.corrupt_chunks for part in parts if part.corrupt_chunks is not None]
    return PrewarmStatus(
        prewarm_id=prewarm_id,
        spec=spec,
        state=state,
        files=sum(part.files for part in parts),
        bytes=_sum([part.bytes for part in parts]),
        bytes_per_second=sum(rates) if rates else None,
        eta_seconds=_last(left, ended_badly=state in FINISHED and state is not PrewarmState.WARM),
        eta_error_ratio=max(errors, key=abs, default=None),
        corrupt_chunks=sum(corrupt) if corrupt else None,
        warm_until=None if None in ends else min(end for end in ends if end is not None),
        error=next((part.error for part in parts if part.error is not None), None),
        nodes=nodes,
    )


def _last(left: Sequence[float | None], *, ended_badly: bool) -> float | None:
    known = [seconds for seconds in left if seconds is not None]
    return None if ended_badly or len(known) < len(left) else max(known, default=0.0)


def _sum(counts: Sequence[ByteCounts]) -> ByteCounts:
    return ByteCounts(
        total=sum(each.total for each in counts),
        local=sum(each.local for each in counts),
        from_peers=sum(each.from_peers for each in counts),
        from_origin=sum(each.from_origin for each in counts),
    )
