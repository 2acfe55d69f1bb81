"""Every route of the REST API, each as a function that makes a `Call`. Both clients have a method for each.

Sizes are bytes, durations seconds (or text such as ``2h`` where a request takes one), moments aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from mows.api import event_models, instance_models, models, peer_models, prewarm_models
from mows.client.call import Body, Call, Stream, answer, is_gone, nothing, text

BlobAction = Literal["pin", "unpin", "evict", "verify"]

VERIFY_SECONDS = 3600.0
"""A full disk tier of some terabytes, read at 1 GB/s."""
UNMOUNT_SECONDS = 60.0
"""How long the daemon waits for open files when it is not told."""


def health() -> Call[models.Health]:
    """Which daemon this is."""
    return Call("GET", "/healthz", answer(models.Health))


def readiness() -> Call[models.Health]:
    """The same, if it can serve; else Unavailable with the reasons, at once: that is the answer."""
    return Call("GET", "/readyz", answer(models.Health), repeatable=False)


def metrics() -> Call[str]:
    """All metrics in Prometheus' text format; docs/METRICS.md says what they mean."""
    return Call("GET", "/metrics", text)


def mounts() -> Call[models.MountList]:
    """All mounts, failed ones too."""
    return Call("GET", "/v1/mounts", answer(models.MountList))


def mount(mount_id: str, *, wait_seconds: float = 0.0) -> Call[models.Mount]:
    """One mount; answered when it is settled, or after `wait_seconds` with the state by then."""
    path, params = _path("mounts", mount_id), _wait(wait_seconds)
    return Call("GET", path, answer(models.Mount), params, extra_seconds=wait_seconds)


def put_mount(mount_id: str, request: Body, *, wait_seconds: float = 0.0) -> Call[models.Mount]:
    """Create a mount, or find the same one there already; answered as `mount` is. `request`: `models.MountRequest`."""
    path, params = _path("mounts", mount_id), _wait(wait_seconds)
    return Call("PUT", path, answer(models.Mount), params, request, extra_seconds=wait_seconds)


def explanation(mount_id: str) -> Call[event_models.Explanation]:
    """Where the seconds of its load went, and which one thing bound it."""
    return Call("GET", f"{_path('mounts', mount_id)}/explain", answer(event_models.Explanation))


def refresh_mount(mount_id: str) -> Call[models.Mount]:
    """List the source now and show the result."""
    return Call("POST", f"{_path('mounts', mount_id)}/refresh", answer(models.Mount))


def delete_mount(mount_id: str, *, wait_seconds: float | None = None) -> Call[bool]:
    """Unmount. The directory is free then; False when files that are still open keep the mount alive."""
    return _release(_path("mounts", mount_id), wait_seconds)


def instances() -> Call[instance_models.InstanceList]:
    """All instances, failed ones too."""
    return Call("GET", "/v1/instances", answer(instance_models.InstanceList))


def instance(instance_id: str, *, wait_seconds: float = 0.0) -> Call[instance_models.Instance]:
    """One instance; answered when it is ready or has failed, or after `wait_seconds` with the state by then."""
    path, params = _path("instances", instance_id), _wait(wait_seconds)
    return Call("GET", path, answer(instance_models.Instance), params, extra_seconds=wait_seconds)


def put_instance(instance_id: str, request: Body, *, wait_seconds: float = 0.0) -> Call[instance_models.Instance]:
    """Mount all that the `storage` of a service JSON names, or renew the lease of what is mounted already.

    Answered as `instance` is. `request`: `instance_models.InstanceRequest`, or the service JSON as it is.
    """
    path, params = _path("instances", instance_id), _wait(wait_seconds)
    return Call("PUT", path, answer(instance_models.Instance), params, request, extra_seconds=wait_seconds)


def delete_instance(instance_id: str, *, wait_seconds: float | None = None) -> Call[bool]:
    """Unmount everything. The directories are free then; False when files that are still open keep a mount alive."""
    return _release(_path("instances", instance_id), wait_seconds)


def prewarms() -> Call[prewarm_models.PrewarmList]:
    """All prewarms the daemon remembers."""
    return Call("GET", "/v1/prewarms", answer(prewarm_models.PrewarmList))


def start_prewarm(request: Body) -> Call[prewarm_models.Prewarm]:
    """Begin to fill the cache. `request`: a `PrewarmRequest`. Not sent again once the daemon may have it."""
    return Call("POST", "/v1/prewarms", answer(prewarm_models.Prewarm), body=request, repeatable=False)


def prewarm(prewarm_id: str) -> Call[prewarm_models.Prewarm]:
    """One prewarm."""
    return Call("GET", _path("prewarms", prewarm_id), answer(prewarm_models.Prewarm))


def prewarm_events(prewarm_id: str) -> Stream[prewarm_models.Prewarm]:
    """The prewarm each time it has changed, until the daemon ends the stream."""
    return Stream(f"{_path('prewarms', prewarm_id)}/events", prewarm_models.Prewarm)


def events() -> Stream[event_models.Snapshot]:
    """The whole state of the node about once a second, until it stops."""
    return Stream("/v1/events", event_models.Snapshot)


def pause_prewarm(prewarm_id: str) -> Call[prewarm_models.Prewarm]:
    """Fetch nothing more for it until it is resumed; what it has stays, with its room and its lease."""
    return Call("POST", f"{_path('prewarms', prewarm_id)}/pause", answer(prewarm_models.Prewarm))


def resume_prewarm(prewarm_id: str) -> Call[prewarm_models.Prewarm]:
    """Go on with it."""
    return Call("POST", f"{_path('prewarms', prewarm_id)}/resume", answer(prewarm_models.Prewarm))


def cancel_prewarm(prewarm_id: str) -> Call[None]:
    """Stop a prewarm, or end its lease. What is in the cache stays until it is evicted."""
    return Call("DELETE", _path("prewarms", prewarm_id), nothing)


def listing(source: str, *, hidden: bool = False, limit: int = 10_000) -> Call[models.Listing]:
    """What `source` holds now, up to `limit` files; with `hidden`, also the keys that cannot be shown as files."""
    params: dict[str, str | int | float | bool] = {"source": source, "hidden": hidden, "limit": limit}
    return Call("GET", "/v1/ls", answer(models.Listing), params)


def placement(source: str) -> Call[models.Placement]:
    """How soon this node could serve `source` from its cache."""
    return Call("GET", "/v1/placement", answer(models.Placement), {"source": source})


def peers() -> Call[peer_models.Peers]:
    """The peers of this node."""
    return Call("GET", "/v1/peers", answer(peer_models.Peers))


def cache() -> Call[models.Cache]:
    """Tiers and counters."""
    return Call("GET", "/v1/cache", answer(models.Cache))


def blobs() -> Call[models.BlobList]:
    """All blobs, the last used first."""
    return Call("GET", "/v1/cache/blobs", answer(models.BlobList))


def change_blobs(action: BlobAction, selection: Body) -> Call[models.BlobResults]:
    """Pin, unpin, evict or verify blobs. `selection`: `models.BlobSelection`.

    Pinned ones are kept until they are unpinned, evicted ones removed unless they are open or pinned. To verify is to
    read every byte, which may take many minutes; wrong chunks are dropped. Done twice is as good as done once.
    """
    extra_seconds = VERIFY_SECONDS if action == "verify" else 0.0
    path = f"/v1/cache/{action}"
    return Call("POST", path, answer(models.BlobResults), body=selection, extra_seconds=extra_seconds)


def dump() -> Call[models.Dump]:
    """What the daemon does at this moment. Only over the Unix socket."""
    return Call("GET", "/v1/debug/dump", answer(models.Dump))


def _release(path: str, wait_seconds: float | None) -> Call[bool]:
    if wait_seconds is None:
        return Call("DELETE", path, is_gone, extra_seconds=UNMOUNT_SECONDS)
    return Call("DELETE", path, is_gone, {"wait": wait_seconds}, extra_seconds=wait_seconds)


def _path(kind: str, name: str) -> str:
    return f"/v1/{kind}/{quote(name, safe='')}"


def _wait(seconds: float) -> Mapping[str, Any]:
    return {"wait": seconds} if seconds else {}
