"""Questions about this node: what lies below a source, how soon it could be served, who the peers are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from mows.api import convert, models, peer_answers, peer_models
from mows.api.fields import SourceText
from mows.api.openapi import LISTING, fails_with
from mows.api.services import Services
from mows.errors import InvalidRequest

DEFAULT_LIMIT = 10_000


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(tags=["node"])

    @routes.get("/ls", responses=fails_with(InvalidRequest, *LISTING))
    async def list_source(
        source: SourceText,
        *,
        hidden: bool = False,
        limit: Annotated[int, Query(ge=1, le=1_000_000)] = DEFAULT_LIMIT,
    ) -> models.Listing:
        """What a mount of this source would show; with `hidden`, also what it could not show, and why."""
        return convert.listing(await services.inspector.contents(source), limit=limit, hidden=hidden)

    @routes.get("/placement", responses=fails_with(InvalidRequest, *LISTING))
    async def get_placement(source: SourceText) -> models.Placement:
        """How soon this node could serve a source from its cache, for a scheduler that compares nodes."""
        found = await services.inspector.placement(source)
        return models.Placement(
            node=services.identity.node,
            zone=services.identity.zone,
            source=found.source.uri,
            bytes=convert.byte_counts(found.bytes),
            seconds_to_ready=found.seconds_to_ready,
            origin_bytes_per_second=found.origin_bytes_per_second,
        )

    @routes.get("/peers", responses=fails_with())
    async def get_peers() -> peer_models.Peers:
        """The other nodes, what each gave and got, and what is wrong with those that cannot be reached."""
        return peer_answers.peers(services.identity, services.peers())

    return routes
