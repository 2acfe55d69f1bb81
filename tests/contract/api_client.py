"""A client of the REST API over twins: requests go through the real application, with no socket."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mows.api.app import create_app
from tests.unit.mows.twins import SOURCE, Node, running_node


@dataclass
class Api:
    """A node and requests to it."""

    node: Node
    http: httpx.AsyncClient

    def body(self, name: str = "m", **more: object) -> dict[str, object]:
        """The body of a mount request."""
        return {"source": SOURCE, "mount_path": str(self.node.root / name), **more}

    async def put_mount(self, mount_id: str = "m", **more: object) -> httpx.Response:
        """Mount, and wait until it is settled."""
        return await self.http.put(f"/v1/mounts/{mount_id}?wait=30", json=self.body(mount_id, **more))

    async def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON of a successful answer."""
        return (await self.http.get(path, params=parameters)).raise_for_status().json()

    async def post(self, path: str, body: object) -> Any:
        """The JSON of a successful answer."""
        return (await self.http.post(path, json=body)).raise_for_status().json()


@contextlib.asynccontextmanager
async def running_api(directory: Path) -> AsyncIterator[Api]:
    """The API of a node over twins, with a model at `SOURCE`."""
    async with running_node(directory) as node:
        node.put_model()
        transport = httpx.ASGITransport(create_app(node.services))
        async with httpx.AsyncClient(transport=transport, base_url="http://mows") as http:
            yield Api(node, http)


def problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer, after checking what all of them have."""
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert (response.status_code, document["status"], document["code"]) == (status, status, code)
    assert {"type", "title", "detail", "hint"} <= document.keys()
    return document
