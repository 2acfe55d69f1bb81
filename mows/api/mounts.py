"""``/v1/mounts``."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from cachefs.errors import MountError, SourceError
from mows.api import convert, models
from mows.api.openapi import LISTING, Name, fails_with
from mows.api.services import Services
from mows.errors import (
    InvalidRequest,
    MountConflict,
    MountNotFound,
    MountOfInstance,
    MountPathInUse,
    SourceNotAllowed,
    TargetNotAllowed,
)
from mows.mount_spec import MountSpec

MAX_WAIT_SECONDS = 3600.0
UNMOUNT_WAIT_SECONDS = 60.0

Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_SECONDS, description="How many seconds the answer may wait.")]


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/mounts", tags=["mounts"])
    mounts = services.mounts

    @routes.get("", responses=fails_with())
    async def list_mounts() -> models.MountList:
        """All mounts, failed ones too."""
        statuses = await asyncio.gather(*(mount.status() for mount in mounts.all()))
        return models.MountList(mounts=list(map(convert.mount, statuses)))

    @routes.put(
        "/{mount_id}",
        responses={
            201: {"model": models.Mount, "description": "Begun now"},
            **fails_with(
                SourceError, SourceNotAllowed, TargetNotAllowed, MountError, MountConflict, MountPathInUse, body=True
            ),
        },
    )
    async def put_mount(
        mount_id: Name, body: models.MountRequest, response: Response, wait: Wait = 0.0
    ) -> models.Mount:
        """Mount a source. 201 when it begins now, 200 when it was there already with the same body.

        The answer comes at once with the state reached so far, or, with `wait`, when it is mounted (warm, where that
        was asked for) or has failed. A failed mount is not live: any body begins it anew.

        A warm mount whose files do not all fit into the cache is not refused, since it can be read: it stays `mounted`
        with the error `no_space`, which names what is in the way, and a refresh tries again. So whoever wants it warm
        or not at all looks for `warm`, and deletes it else.
        """
        mount, created = await mounts.put(mount_id, _spec(body))
        response.status_code = HTTPStatus.CREATED if created else HTTPStatus.OK
        await mount.settled(wait)
        return convert.mount(await mount.status())

    @routes.get("/{mount_id}", responses=fails_with(MountNotFound, InvalidRequest))
    async def get_mount(mount_id: str, wait: Wait = 0.0) -> models.Mount:
        """One mount; with `wait`, as soon as it is mounted (or warm) or has failed."""
        mount = mounts.get(mount_id)
        await mount.settled(wait)
        return convert.mount(await mount.status())

    @routes.post("/{mount_id}/refresh", responses=fails_with(MountNotFound, *LISTING))
    async def refresh_mount(mount_id: str) -> models.Mount:
        """List the source now and show the result. On an error the old listing stays."""
        mount = mounts.get(mount_id)
        await mount.refresh()
        return convert.mount(await mount.status())

    @routes.delete(
        "/{mount_id}",
        status_code=HTTPStatus.NO_CONTENT,
        responses={202: {"description": "Not gone yet"}, **fails_with(MountOfInstance, InvalidRequest)},
    )
    async def delete_mount(mount_id: str, wait: Wait = UNMOUNT_WAIT_SECONDS) -> Response:
        """Unmount and end the lease. 204: it is gone, or never was. 202: open files still keep it after `wait`."""
        services.instances.check_deletable(mount_id)
        gone = await mounts.delete(mount_id, wait_seconds=wait)
        return Response(status_code=HTTPStatus.NO_CONTENT if gone else HTTPStatus.ACCEPTED)

    return routes


def _spec(body: models.MountRequest) -> MountSpec:
    return MountSpec(body.source, body.mount_path, body.warm, body.lease, body.refresh_seconds)
