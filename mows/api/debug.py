"""``/v1/debug``: only for callers of the Unix socket."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from mows.debug import Debug


def router(debug: Debug) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/debug", tags=["debug"])

    @routes.get("/dump")
    async def dump() -> dict[str, Any]:
        """What the daemon does at this moment: for people. Its content changes with versions; it holds no secret."""
        return await debug.dump()

    return routes
