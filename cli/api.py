"""The calls of the REST API that commands make, by name and with typed answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from cli.client import Connection, Document
from cli.documents import (
    BlobList,
    BlobResults,
    Cache,
    Dump,
    Health,
    Listing,
    Mount,
    MountList,
    Peers,
    Prewarm,
    PrewarmList,
)
from cli.endpoint import Endpoint
from cli.errors import NotMows

T = TypeVar("T")

VERIFY_SECONDS = 3600.0
"""A full disk tier of some terabytes, read at 1 GB/s."""


@contextmanager
def connect(endpoint: Endpoint) -> Iterator[Api]:
    """A connection to the daemon at `endpoint`. Nothing is sent yet."""
    with Connection(endpoint) as connection:
        yield Api(connection)


class Api:
    """Every method is one request, blocks until it is answered, and raises `CliError`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def health(self) -> Health:
        """Which daemon this is."""
        return _as(Health, self._connection.get("/healthz"))

    def mounts(self) -> MountList:
        """All mounts."""
        return _as(MountList, self._connection.get("/v1/mounts"))

    def mount(self, mount_id: str, *, wait_seconds: float) -> Mount:
        """One mount. Answers when it is settled, or after `wait_seconds`."""
        return _as(Mount, self._connection.get(f"/v1/mounts/{mount_id}", wait_seconds=wait_seconds))

    def put_mount(self, mount_id: str, body: Mapping[str, Any], *, wait_seconds: float) -> Mount:
        """Create a mount, or find the same one there already. Answers when it is settled, or after `wait_seconds`."""
        return _as(Mount, self._connection.put(f"/v1/mounts/{mount_id}", body, wait_seconds=wait_seconds))

    def delete_mount(self, mount_id: str) -> bool:
        """Unmount. The directory is free then; False when files that are still open keep the mount alive."""
        return self._connection.delete(f"/v1/mounts/{mount_id}")

    def prewarms(self) -> PrewarmList:
        """All prewarms the daemon remembers."""
        return _as(PrewarmList, self._connection.get("/v1/prewarms"))

    def start_prewarm(self, sources: Sequence[str], lease: str | None) -> Prewarm:
        """Begin to fill the cache; `lease` as typed, such as ``2h``, or None for the configured one."""
        body = {"sources": list(sources)} | ({"lease": lease} if lease else {})
        return _as(Prewarm, self._connection.post("/v1/prewarms", body))

    def prewarm(self, prewarm_id: str) -> Prewarm:
        """One prewarm."""
        return _as(Prewarm, self._connection.get(f"/v1/prewarms/{prewarm_id}"))

    def prewarm_events(self, prewarm_id: str) -> Iterator[Prewarm]:
        """The prewarm each time it has changed, until the daemon ends the stream."""
        for document in self._connection.events(f"/v1/prewarms/{prewarm_id}/events"):
            yield _as(Prewarm, document)

    def cancel_prewarm(self, prewarm_id: str) -> None:
        """Stop a prewarm, or end its lease."""
        self._connection.delete(f"/v1/prewarms/{prewarm_id}")

    def listing(self, source: str, *, hidden: bool, limit: int) -> Listing:
        """What `source` holds now, up to `limit` files; with `hidden`, also the keys that cannot be shown as files."""
        return _as(Listing, self._connection.get("/v1/ls", source=source, hidden=hidden, limit=limit))

    def cache(self) -> Cache:
        """Tiers and counters."""
        return _as(Cache, self._connection.get("/v1/cache"))

    def blobs(self) -> BlobList:
        """All blobs."""
        return _as(BlobList, self._connection.get("/v1/cache/blobs"))

    def change_blobs(self, action: str, selection: Mapping[str, Any]) -> BlobResults:
        """`action` is pin, unpin, evict or verify, which reads every byte of the blobs."""
        extra_seconds = VERIFY_SECONDS if action == "verify" else 0.0
        return _as(BlobResults, self._connection.post(f"/v1/cache/{action}", selection, extra_seconds=extra_seconds))

    def peers(self) -> Peers:
        """The peers of this node."""
        return _as(Peers, self._connection.get("/v1/peers"))

    def dump(self) -> Dump:
        """What the daemon does at this moment."""
        return _as(Dump, self._connection.get("/v1/debug/dump"))


def _as(kind: type[T], document: Document) -> T:
    """`document` as the TypedDict `kind`; NotMows when keys that a command may read are missing."""
    required: frozenset[str] = getattr(kind, "__required_keys__", frozenset())
    if missing := sorted(required - document.keys()):
        raise NotMows(
            f"the answer lacks {', '.join(missing)}", hint="the daemon and this command are of different versions"
        )
    return cast(T, document)
