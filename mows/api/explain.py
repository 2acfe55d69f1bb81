"""``GET /v1/mounts/{id}/explain``."""

from __future__ import annotations

from fastapi import APIRouter

from mows.api import event_models
from mows.api.openapi import fails_with
from mows.api.services import Services
from mows.errors import MountNotFound
from mows.explain import explain
from mows.mount import Mount


def router(services: Services) -> APIRouter:
    """The routes of one daemon."""
    routes = APIRouter(prefix="/mounts", tags=["mounts"])

    @routes.get("/{mount_id}/explain", responses=fails_with(MountNotFound))
    async def explain_mount(mount_id: str) -> event_models.Explanation:
        """Where the seconds of the mount's load went, and which one thing bound it, in a sentence.

        The load is the one that runs, or the last one; reads after a pause of more than 10 s are another. What the
        kernel reads from cached files by itself (passthrough) needs no time of the daemon's, and is not in it.
        """
        return answer(services.mounts.get(mount_id))

    return routes


def answer(mount: Mount) -> event_models.Explanation:
    """What is known of the mount's last load."""
    found = explain(mount.state, *mount.counts())
    return event_models.Explanation(
        id=mount.mount_id,
        elapsed_seconds=round(found.elapsed_seconds, 3),
        seconds={cause: round(seconds, 3) for cause, seconds in found.seconds.items()},
        bound_by=found.bound_by,
        sentence=found.sentence,
        bytes=event_models.LoadBytes(
            origin=found.bytes.from_origin, peers=found.bytes.from_peers, delivered=found.delivered_bytes
        ),
        passthrough_opens=found.passthrough_opens,
    )
