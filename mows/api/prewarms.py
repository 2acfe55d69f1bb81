"""``/v1/prewarms``: begin, follow, pause and cancel. A prewarm outlives the daemon: see `mows.prewarm_records`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from cachefs.errors import NoSpace
from mows.api import convert
from mows.api import prewarm_models as models
from mows.api.openapi import LISTING, fails_with, streams
from mows.api.services import Services
from mows.errors import InvalidIndex, NoSuchNodes, PrewarmNotFound, TooManyPrewarms, WrongPrewarmState
from mows.prewarm_job import PrewarmJob
from mows.prewarm_state import FINISHED

EVENT_INTERVAL_SECONDS = 0.5
"""Often enough for a progress bar, and nothing to a daemon that moves gigabytes."""


ADMISSION_SECONDS = 5.0
"""A listing of 10,000 objects takes 2 to 3 s."""


_CHANGE_REFUSALS = fails_with(PrewarmNotFound, WrongPrewarmState)


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/prewarms", tags=["prewarms"])
    prewarms = services.prewarms

    @routes.get("", responses=fails_with())
    async def list_prewarms() -> models.PrewarmList:
        """Running and lately finished prewarms, oldest first."""
        statuses = await asyncio.gather(*(job.status() for job in prewarms.all()))
        return models.PrewarmList(prewarms=list(map(convert.prewarm, statuses)))

    @routes.post(
        "",
        status_code=HTTPStatus.CREATED,
        responses=fails_with(*LISTING, NoSpace, TooManyPrewarms, InvalidIndex, NoSuchNodes, body=True),
    )
    async def post_prewarm(body: models.PrewarmRequest, response: Response) -> models.Prewarm:
        """Begin to fill the cache with all files of these sources.

        Answers once they are listed, and 507 when they do not fit beside what is in use and what others fill; with more
        to list than some seconds take, the answer does not wait for it, and the prewarm fails later. Some fill at the
        same time; those that wait for their turn are `queued`. With `nodes` each of them fills its own cache, and this
        one asks them how far they are; a node on which it fails does not keep the others from going on.
        """
        spec = prewarms.spec(body.sources, body.lease, order=body.order, rate=body.rate, verify=body.verify)
        job = prewarms.start(spec) if body.nodes is None else prewarms.start_on(body.nodes, spec)
        try:
            await job.admitted(ADMISSION_SECONDS)
        except NoSpace:  # refused: there is no such prewarm
            await prewarms.delete(job.prewarm_id)
            raise
        response.headers["Location"] = f"/v1/prewarms/{job.prewarm_id}"
        return convert.prewarm(await job.status())

    @routes.get("/{prewarm_id}", responses=fails_with(PrewarmNotFound))
    async def get_prewarm(prewarm_id: str) -> models.Prewarm:
        """One prewarm."""
        return convert.prewarm(await prewarms.get(prewarm_id).status())

    @routes.post("/{prewarm_id}/pause", responses=_CHANGE_REFUSALS)
    async def pause_prewarm(prewarm_id: str) -> models.Prewarm:
        """Fetch nothing more until it is resumed, also by the next daemon. Its room and its lease are kept."""
        return convert.prewarm(await (await prewarms.pause(prewarm_id)).status())

    @routes.post("/{prewarm_id}/resume", responses=_CHANGE_REFUSALS)
    async def resume_prewarm(prewarm_id: str) -> models.Prewarm:
        """Go on with it."""
        return convert.prewarm(await (await prewarms.resume(prewarm_id)).status())

    @routes.delete("/{prewarm_id}", status_code=HTTPStatus.NO_CONTENT, responses=fails_with())
    async def delete_prewarm(prewarm_id: str) -> None:
        """Cancel it if it runs, and end its lease. What is in the cache stays until it is evicted."""
        await prewarms.delete(prewarm_id)

    @routes.get(
        "/{prewarm_id}/events",
        response_class=StreamingResponse,
        responses={
            **streams(models.Prewarm, "progress", *FINISHED),
            **fails_with(PrewarmNotFound),
        },
    )
    async def prewarm_events(prewarm_id: str) -> StreamingResponse:
        """Progress as server-sent events: ``progress`` until one of ``warm``, ``failed`` or ``cancelled`` ends it.

        Each is the whole prewarm as GET answers it, at each change of its state and twice a second: whoever lost the
        stream, as when the daemon is restarted, asks again and has missed nothing.
        """
        events = _events(prewarms.get(prewarm_id), services.stopping)
        return StreamingResponse(events, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    return routes


async def _events(job: PrewarmJob, stopping: asyncio.Event) -> AsyncIterator[str]:
    while not stopping.is_set():
        status = await job.status()
        finished = status.state in FINISHED
        document = convert.prewarm(status).model_dump_json()
        yield f"event: {status.state if finished else 'progress'}\ndata: {document}\n\n"
        if finished:
            return
        await job.changed(EVENT_INTERVAL_SECONDS)
