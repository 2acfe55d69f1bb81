"""What probes and scrapers ask: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from mows import metrics
from mows.api import models
from mows.api.openapi import fails_with
from mows.api.services import Services
from mows.errors import NotReady, Stopping


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(tags=["health"])
    identity = services.identity

    @routes.get("/healthz", responses=fails_with())
    async def healthz() -> models.Health:
        """The event loop turns. Says nothing about origins: restarting this daemon would not mend them."""
        return models.Health(node=identity.node, version=identity.version)

    @routes.get("/readyz", responses=fails_with(NotReady))
    async def readyz() -> models.Health:
        """The tiers can be written, FUSE can be used, and the daemon is not stopping. Else 503 with the reasons."""
        if services.stopping.is_set():
            raise Stopping("the daemon is stopping")
        await asyncio.to_thread(services.check_ready)
        return models.Health(node=identity.node, version=identity.version)

    @routes.get("/metrics", response_class=PlainTextResponse, responses=fails_with())
    async def get_metrics() -> Response:
        """Prometheus text format; docs/METRICS.md says what each metric means."""
        return Response(services.metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})

    return routes
