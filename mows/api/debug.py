"""``/v1/debug``: only for callers of the Unix socket."""

from __future__ import annotations

from fastapi import APIRouter

from mows.api import models
from mows.api.openapi import fails_with
from mows.debug import Debug


def router(debug: Debug) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/debug", tags=["debug"])

    @routes.get("/dump", responses=fails_with())
    async def dump() -> models.Dump:
        """What the daemon does at this moment: for people. Its content changes with versions; it holds no secret."""
        return models.Dump(**await debug.dump())

    return routes
