"""Both clients have the same methods, and there is one for every route."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mows.api.app import create_app
from mows.client import AsyncClient, Client, calls, waiting
from mows.client.call import Call, Stream
from tests.unit.mows.twins import running_node

NOT_FOR_PROGRAMS = {("GET", "/")}
"""The status page."""


def functions(module: Any) -> set[str]:
    found = inspect.getmembers(module, inspect.isfunction)
    return {name for name, one in found if not name.startswith("_") and one.__module__ == module.__name__}


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_each_client_has_a_method_for_every_call(client: type[Client | AsyncClient]) -> None:
    public = {name for name in vars(client) if not name.startswith("_")}
    assert public - {"close", "converse", "events_of"} == functions(calls) | functions(waiting)


def samples() -> Iterator[Call[Any] | Stream[Any]]:
    """Each call, made with whatever arguments it needs."""
    for name in functions(calls):
        function = getattr(calls, name)
        required = [one for one in inspect.signature(function).parameters.values() if one.default is one.empty]
        if name == "change_blobs":
            yield from (function(action, {}) for action in ("pin", "unpin", "evict", "verify"))
        else:
            yield function(*({} if one.name == "request" else "ID" for one in required))


async def test_every_route_has_a_call(tmp_path: Path) -> None:
    async with (
        running_node(tmp_path) as node,
        httpx.AsyncClient(transport=httpx.ASGITransport(create_app(node.services, local=True))) as http,
    ):
        document = (await http.get("http://mows/openapi.json")).json()
    routes = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    found = {("GET" if isinstance(call, Stream) else call.method, call.path) for call in samples()}
    assert {(method, re.sub(r"\{\w+\}", "ID", path)) for method, path in routes} - NOT_FOR_PROGRAMS <= found
