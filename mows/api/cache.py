"""``/v1/cache``."""

from __future__ import annotations

from datetime import UTC, datetime

from fastapi import APIRouter

from cachefs.errors import SourceError
from cachefs.store import BlobStatus
from cachefs.types import BlobId
from mows.api import convert, models
from mows.api.openapi import fails_with
from mows.api.services import Services
from mows.cache_admin import Selection
from mows.errors import BlobNotFound

_REFUSALS = fails_with(BlobNotFound, SourceError, body=True)


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/cache", tags=["cache"])
    cache = services.cache

    @routes.get("", responses=fails_with())
    async def get_cache() -> models.Cache:
        """How full the tiers are, and what went wrong in them since the start."""
        return convert.cache(await cache.statistics(), services.identity.chunk_bytes)

    @routes.get("/blobs", responses=fails_with())
    async def get_blobs() -> models.BlobList:
        """All blobs, the last used first."""
        return models.BlobList(blobs=[_blob(blob, cache.pinned_until(blob)) for blob in await cache.blobs()])

    @routes.post("/pin", responses=_REFUSALS)
    async def pin(body: models.BlobSelection) -> models.BlobResults:
        """Keep blobs until they are unpinned."""
        return convert.outcomes(await cache.pin(_selection(body)))

    @routes.post("/unpin", responses=_REFUSALS)
    async def unpin(body: models.BlobSelection) -> models.BlobResults:
        """Undo pin. What a lease holds stays until it ends."""
        return convert.outcomes(await cache.unpin(_selection(body)))

    @routes.post("/evict", responses=_REFUSALS)
    async def evict(body: models.BlobSelection) -> models.BlobResults:
        """Remove blobs, but those that are open or pinned: these are answered as busy."""
        return convert.outcomes(await cache.evict(_selection(body)))

    @routes.post("/verify", responses=_REFUSALS)
    async def verify(body: models.BlobSelection) -> models.BlobResults:
        """Compare all bytes with their hashes. Wrong chunks are dropped and fetched again when they are needed."""
        return convert.outcomes(await cache.verify(_selection(body)))

    return routes


def _selection(body: models.BlobSelection) -> Selection:
    blob_ids = None if body.blob_ids is None else tuple(map(BlobId, body.blob_ids))
    return Selection(blob_ids, body.source)


def _blob(blob: BlobStatus, pinned_until: float | None) -> models.Blob:
    return models.Blob(
        blob_id=blob.blob_id,
        uri=blob.key.uri,
        version=blob.key.version,
        size_bytes=blob.key.size_bytes,
        resident_bytes=blob.resident_bytes,
        allocated_bytes=blob.allocated_bytes,
        tier=str(blob.tier),
        sealed=blob.sealed,
        in_use=blob.references > 0,
        pinned=blob.pinned,
        pinned_until=convert.moment(pinned_until),
        last_used=datetime.fromtimestamp(blob.last_used, UTC),
    )
