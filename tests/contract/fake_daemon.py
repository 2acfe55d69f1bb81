"""A daemon that only talks: the REST API on a Unix socket, with answers a test scripts. Shapes are the real models'."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.middleware.base import RequestResponseEndpoint

from mows.api import event_models, models, peer_models, prewarm_models
from mows.mount_state import MountState
from tests.certificates import Pair

SOURCE = "oss://models/qwen3/"
MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
START_SECONDS = 30.0


class Refusal(Exception):
    """What the fake answers instead: a problem document."""

    def __init__(self, status: int, code: str, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.problem = {
            "type": "about:blank",
            "title": code,
            "status": status,
            "detail": detail,
            "code": code,
            "hint": hint,
        }


class FakeDaemon:
    """State that tests set before a command and look at after it. One command at a time talks to it."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """As new."""
        self.mounts: dict[str, models.Mount] = {}
        self.mount_script: list[models.Mount] = []
        """What the next requests for a mount answer, one each; the last one for ever."""
        self.files_are_open = False
        self.explanation: event_models.Explanation | None = None
        self.prewarms: dict[str, prewarm_models.Prewarm] = {}
        self.prewarm_streams: list[Sequence[prewarm_models.Prewarm] | Refusal] = []
        """What each stream of events tells before it ends, or why there is none."""
        self.listing = listing()
        self.blobs: list[models.Blob] = []
        self.results: list[models.BlobResult] = []
        self.peers = peer_models.Peers(configured=False, node="node-a")
        self.dump: dict[str, object] = {}
        self.refusal: Refusal | None = None
        self.requests: list[tuple[str, str, dict[str, object]]] = []
        """Method, path with query, body."""
        self.tokens: list[str] = []
        """What stood in the header of those requests that had one."""

    def next_mount(self) -> models.Mount:
        """The next step of the script."""
        return self.mount_script.pop(0) if len(self.mount_script) > 1 else self.mount_script[0]


def mount(state: MountState, *, local: int = 0, total: int = 2 << 30, **changes: object) -> models.Mount:
    """A mount of SOURCE on /models/qwen3."""
    fields: dict[str, object] = {
        "id": "qwen3",
        "source": SOURCE,
        "mount_path": "/models/qwen3",
        "state": state,
        "snapshot": "5f3a",
        "percent": 100 * local / total,
        "bytes": models.ByteCounts(total=total, local=local, from_peers=0, from_origin=local),
        "eta_seconds": None,
        "warm_until": None,
        "error": None,
        "warm": False,
        "files": 9,
        "hidden": 0,
        "passthrough": True,
    }
    return models.Mount.model_validate(fields | changes)


def prewarm(state: str, *, local: int = 0, total: int = 2 << 30, **changes: object) -> prewarm_models.Prewarm:
    """A prewarm of SOURCE."""
    fields: dict[str, object] = {
        "id": "p1",
        "sources": [SOURCE],
        "state": state,
        "percent": 100 * local / total,
        "bytes": models.ByteCounts(total=total, local=local, from_peers=0, from_origin=local),
        "bytes_per_second": None,
        "eta_seconds": None,
        "warm_until": None,
        "error": None,
        "files": 9,
    }
    return prewarm_models.Prewarm.model_validate(fields | changes)


def listing(*paths: str, **changes: object) -> models.Listing:
    """Files of 4 MiB, the first quarter of each cached."""
    objects = [
        models.ListedObject(
            path=path, uri=SOURCE + path, size_bytes=4 << 20, local_bytes=1 << 20, version="v", modified=MOMENT
        )
        for path in paths
    ]
    fields: dict[str, object] = {
        "source": SOURCE,
        "snapshot": "5f3a",
        "files": len(paths),
        "total_bytes": len(paths) * (4 << 20),
        "hidden_count": 0,
        "objects": objects,
        "hidden": [],
        "truncated": False,
    }
    return models.Listing.model_validate(fields | changes)


def blob(blob_id: str, **changes: object) -> models.Blob:
    """A complete blob of 4 MiB."""
    fields: dict[str, object] = {
        "blob_id": blob_id,
        "uri": SOURCE + "a",
        "version": "v",
        "size_bytes": 4 << 20,
        "resident_bytes": 4 << 20,
        "allocated_bytes": 4 << 20,
        "tier": "/dev/shm/mows",
        "sealed": True,
        "in_use": False,
        "pinned": False,
        "pinned_until": None,
        "last_used": MOMENT,
    }
    return models.Blob.model_validate(fields | changes)


def build_app(fake: FakeDaemon) -> FastAPI:  # noqa: C901 - one small function per route
    """The routes commands call."""
    app = FastAPI()

    @app.exception_handler(Refusal)
    async def refuse(_: Request, error: Refusal) -> JSONResponse:
        return JSONResponse(error.problem, error.status, media_type="application/problem+json")

    @app.middleware("http")
    async def record(request: Request, call_next: RequestResponseEndpoint) -> Response:
        body = await request.json() if await request.body() else {}
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        fake.requests.append((request.method, path, body))
        fake.tokens += request.headers.getlist("authorization")
        if fake.refusal is not None:
            return await refuse(request, fake.refusal)
        return await call_next(request)

    @app.get("/healthz")
    async def health() -> models.Health:
        return models.Health(node="node-a", version="0.1.0")

    @app.get("/v1/mounts")
    async def mounts() -> models.MountList:
        return models.MountList(mounts=list(fake.mounts.values()))

    @app.api_route("/v1/mounts/{mount_id}", methods=["PUT", "GET"])
    async def one_mount(mount_id: str) -> models.Mount:
        return fake.next_mount()

    @app.delete("/v1/mounts/{mount_id}")
    async def unmount(mount_id: str) -> Response:
        fake.mounts.pop(mount_id, None)
        return Response(status_code=202 if fake.files_are_open else 204)

    @app.get("/v1/mounts/{mount_id}/explain")
    async def explain(mount_id: str) -> event_models.Explanation:
        assert fake.explanation is not None, "the test says what is answered"
        return fake.explanation

    @app.get("/v1/prewarms")
    async def prewarms() -> prewarm_models.PrewarmList:
        return prewarm_models.PrewarmList(prewarms=list(fake.prewarms.values()))

    @app.post("/v1/prewarms", status_code=202)
    async def start_prewarm() -> prewarm_models.Prewarm:
        return prewarm("pending")

    @app.get("/v1/prewarms/{prewarm_id}/events")
    async def events(prewarm_id: str) -> Response:
        steps = fake.prewarm_streams.pop(0)
        if isinstance(steps, Refusal):
            raise steps
        lines = (f"event: progress\ndata: {step.model_dump_json()}\n\n: keep-alive\n\n" for step in steps)
        return StreamingResponse(lines, media_type="text/event-stream")

    @app.delete("/v1/prewarms/{prewarm_id}", status_code=204)
    async def cancel(prewarm_id: str) -> None:
        fake.prewarms.pop(prewarm_id, None)

    @app.get("/v1/ls")
    async def ls() -> models.Listing:
        return fake.listing

    @app.get("/v1/cache")
    async def cache() -> models.Cache:
        tier = models.Tier(
            path="/dev/shm/mows", capacity_bytes=8 << 30, used_bytes=2 << 30, free_bytes=6 << 30, blobs=9, faults=0
        )
        counts = dict.fromkeys(("evictions", "evicted_bytes", "corrupt_chunks", "corrupt_blobs", "no_space"), 0)
        return models.Cache(chunk_bytes=8 << 20, tiers=[tier], **counts)

    @app.get("/v1/cache/blobs")
    async def blobs() -> models.BlobList:
        return models.BlobList(blobs=fake.blobs)

    @app.post("/v1/cache/{action}")
    async def change(action: str) -> models.BlobResults:
        return models.BlobResults(blobs=fake.results)

    @app.get("/v1/peers")
    async def peers() -> peer_models.Peers:
        return fake.peers

    @app.get("/v1/debug/dump")
    async def dump() -> dict[str, object]:
        return fake.dump

    return app


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]  # sockets unused
        await super().startup()
        self.listening.set()


class Serving:
    """The fake on `socket`, or on a `port` with TLS, in a thread that ends with the block."""

    def __init__(self, fake: FakeDaemon, socket: Path | None, *, port: int = 0, pair: Pair | None = None) -> None:
        config = uvicorn.Config(
            build_app(fake),
            uds=str(socket) if socket else None,
            port=port,
            ssl_certfile=pair.cert if pair else None,
            ssl_keyfile=pair.key if pair else None,
            log_config=None,
            lifespan="off",
            ws="none",
        )
        self._server = _Server(config)
        self._thread = threading.Thread(target=self._server.run, name="fake daemon")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._server.listening.wait(START_SECONDS)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()


def serving(socket: Path) -> Iterator[FakeDaemon]:
    """For fixtures: a fake that listens on `socket` while the test runs."""
    fake = FakeDaemon()
    with Serving(fake, socket):
        yield fake
