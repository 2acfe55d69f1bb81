"""``GET /v1/events``: the state of this node as server-sent events, one whole snapshot about every second.

A snapshot is made only while somebody listens, and once for all who do. It counts the cached bytes of every mounted
file, so on a node with very many files it is made less often: the work is kept below `MOST_BUSY_RATIO` of the time.
Whoever does not read what is sent is let go, so that the few places are for those who do.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from mows import logs
from mows.api import convert, event_models, explain, peer_answers
from mows.api.openapi import fails_with, streams
from mows.api.services import Services
from mows.errors import TooManyListeners

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 1.0
MOST_BUSY_RATIO = 0.25
MOST_LISTENERS = 16
"""Some people and their dashboards. Each costs a connection and the sending of some kilobytes a second."""

SLOW_SECONDS = 30.0
"""A listener that took nothing for so long sleeps, or is gone without a word."""


@dataclass(frozen=True, slots=True)
class _Taken:
    text: str
    stale_at: float
    """Monotonic."""


class Snapshots:
    """The latest snapshot as text, made anew when it is asked for and too old. Belongs to the loop."""

    def __init__(self, services: Services, clock: Callable[[], float] = time.monotonic) -> None:
        self.listeners = 0
        self._services = services
        self._clock = clock
        self._taking = asyncio.Lock()  # guards _taken: one makes it, the others wait for that one
        self._taken: _Taken | None = None

    async def latest(self) -> str:
        """JSON, hardly older than `INTERVAL_SECONDS`."""
        async with self._taking:
            began = self._clock()
            if self._taken is None or began >= self._taken.stale_at:
                text = (await snapshot(self._services, began)).model_dump_json()
                took_seconds = self._clock() - began
                # A little less than the interval: listeners that come once in an interval each get a new one.
                self._taken = _Taken(text, began + max(0.9 * INTERVAL_SECONDS, took_seconds / MOST_BUSY_RATIO))
            return self._taken.text

    async def stream(self) -> AsyncIterator[str]:
        """Events until the daemon stops, or nobody takes them any more. The place was taken by the caller."""
        stopping = self._services.stopping
        while not stopping.is_set():
            yield f"event: snapshot\ndata: {await self.latest()}\n\n"
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INTERVAL_SECONDS):
                    await stopping.wait()


class EventStream(StreamingResponse):
    """Sends the events to one listener; `ended` is called when it has gone, in whatever way.

    A listener that takes nothing for `slow_seconds` is cut off. The server says so in its log, as it does of every
    answer that breaks off.
    """

    def __init__(self, events: AsyncIterator[str], ended: Callable[[], None], slow_seconds: float) -> None:
        super().__init__(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        self._ended = ended
        self._slow_seconds = slow_seconds

    async def stream_response(self, send: Send) -> None:
        """See `StreamingResponse`."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._slow_seconds):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            logs.event(log, "a listener took no event in time", seconds=self._slow_seconds)
        finally:
            self._ended()


def router(services: Services, *, slow_seconds: float = SLOW_SECONDS) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(tags=["node"])
    snapshots = Snapshots(services)

    def leave() -> None:
        snapshots.listeners -= 1

    @routes.get(
        "/events",
        response_class=StreamingResponse,
        responses={
            **streams(event_models.Snapshot, "snapshot"),
            **fails_with(TooManyListeners),
        },
    )
    async def events() -> EventStream:
        """The state of this node, about once a second, until the caller goes or the daemon stops.

        Events are called ``snapshot``; their data is one JSON document with the keys `at`, `monotonic_seconds`, `node`,
        `cache`, `fetching`, `mounts`, `explanations`, `prewarms`, `peers` and `failures`; what routes of these names
        answer is the same. 503 `too_many_listeners` when enough others listen.
        """
        if snapshots.listeners >= MOST_LISTENERS:
            raise TooManyListeners(f"{MOST_LISTENERS} others listen to the events of this node")
        snapshots.listeners += 1
        return EventStream(snapshots.stream(), leave, slow_seconds)

    return routes


async def snapshot(services: Services, monotonic_seconds: float) -> event_models.Snapshot:
    """Everything there is to say now. On the loop; what is slow is done on other threads."""
    all_mounts = services.mounts.all()
    mounts = await asyncio.gather(*(mount.status() for mount in all_mounts))
    prewarms = await asyncio.gather(*(job.status() for job in services.prewarms.all()))
    identity = services.identity
    return event_models.Snapshot(
        at=convert.now(),
        monotonic_seconds=monotonic_seconds,
        node=event_models.NodeNow(
            node=identity.node,
            zone=identity.zone,
            version=identity.version,
            uptime_seconds=round(monotonic_seconds - services.began_at, 1),
            stopping=services.stopping.is_set(),
        ),
        cache=convert.cache(await services.cache.statistics(), identity.chunk_bytes),
        fetching=convert.fetching(services.fetching()),
        mounts=list(map(convert.mount, mounts)),
        explanations={mount.mount_id: explain.answer(mount) for mount in all_mounts},
        prewarms=list(map(convert.prewarm, prewarms)),
        peers=peer_answers.peers(identity, services.peers()),
        failures=list(map(convert.recent_failure, services.failures())),
    )
