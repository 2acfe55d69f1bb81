"""The application: all routes, over one daemon's services."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.types import ASGIApp

from mows.api import cache, debug, events, explain, health, instances, mounts, node, page, prewarms, problems
from mows.api.audited import Audited
from mows.api.middleware import BodyLimit, RequestId
from mows.api.openapi import DocumentedApp
from mows.api.services import Services


def create_app(services: Services, *, local: bool = False) -> ASGIApp:
    """Nothing is shared between two applications. `local`: for the Unix socket, whose callers may ask for a dump."""
    app = DocumentedApp(title="MoWS", version=services.identity.version, docs_url=None, redoc_url=None)
    problems.install(app)
    v1 = APIRouter(prefix="/v1")
    for topic in (mounts, instances, prewarms, cache, node, events, explain):
        v1.include_router(topic.router(services))
    if local and services.debug is not None:
        v1.include_router(debug.router(services.debug))
    app.include_router(v1)
    app.include_router(health.router(services))
    app.include_router(page.router(services))
    return RequestId(BodyLimit(Audited(app, services.audit)))
