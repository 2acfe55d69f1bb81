"""Which requests are in the audit log, and what it says of them."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from mows.api.app import create_app
from mows.api.audited import Audited, action_of, fields_of, outcome_of
from mows.api.middleware import BearerToken
from peer.rpc.token_file import TokenFile
from tests.contract.api_client import Api
from tests.unit.mows.twins import SOURCE, running_node


@dataclasses.dataclass
class Kept:
    """An audit log in memory."""

    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def record(self, action: str, caller: str, **fields: object) -> None:
        self.rows.append({"action": action, "caller": caller, **json.loads(json.dumps(fields))})


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
async def api(tmp_path: Path, kept: Kept) -> AsyncIterator[Api]:
    """Over TCP, with two callers' tokens."""
    tokens = tmp_path / "tokens"
    tokens.write_text("controller:one-token\nlaunch:another-token\n")
    async with running_node(tmp_path) as node:
        node.put_model()
        app = create_app(dataclasses.replace(node.services, audit=kept))
        transport = httpx.ASGITransport(BearerToken(app, TokenFile(tokens, "api.token_file")))
        headers = {"Authorization": "Bearer another-token"}
        async with httpx.AsyncClient(transport=transport, base_url="http://mows", headers=headers) as http:
            yield Api(node, http)


async def test_each_action_is_one_line_with_who_what_and_how_it_ended(api: Api, kept: Kept) -> None:
    await api.put_mount(warm=True, lease="2h")
    await api.http.get("/v1/mounts")
    await api.http.get("/v1/cache")
    prewarm = (await api.http.post("/v1/prewarms", json={"sources": [SOURCE]})).json()["id"]
    for verb in ("pin", "unpin", "verify", "evict"):
        await api.post(f"/v1/cache/{verb}", {"all": True})
    await api.http.delete(f"/v1/prewarms/{prewarm}")
    await api.http.delete("/v1/mounts/m")
    assert [row["action"] for row in kept.rows] == [
        "mount", "prewarm", "pin", "unpin", "verify", "evict", "prewarm delete", "umount",
    ]  # fmt: skip
    assert {row["caller"] for row in kept.rows} == {"token:launch@127.0.0.1"}
    assert {row["outcome"] for row in kept.rows} == {"ok"}
    mount, first_prewarm, pin = kept.rows[:3]
    assert mount == {
        "action": "mount", "caller": "token:launch@127.0.0.1", "id": "m", "source": SOURCE,
        "mount_path": str(api.node.root / "m"), "warm": True, "lease": "2h", "state": "warm",
        "outcome": "ok", "status": 201,
    }  # fmt: skip
    assert (first_prewarm["id"], first_prewarm["sources"]) == (prewarm, [SOURCE])
    assert set(pin["results"]) <= {"pinned"}


@pytest.mark.expects_warnings
async def test_a_refused_action_has_the_code_of_its_error(api: Api, kept: Kept) -> None:
    await api.http.put("/v1/mounts/m", json={"source": SOURCE, "mount_path": "/etc/shadow"})
    await api.http.put("/v1/mounts/m", content=b"{" * 5000)
    await api.http.put("/v1/mounts/m", content=b"\xff")
    await api.http.post("/v1/cache/evict", json={"blob_ids": ["nope"]})
    assert [(row["outcome"], row["status"]) for row in kept.rows] == [
        ("target_not_allowed", 403), ("invalid_request", 422), ("invalid_request", 422), ("blob_not_found", 404),
    ]  # fmt: skip
    assert kept.rows[0]["mount_path"] == "/etc/shadow"


@pytest.mark.expects_warnings
async def test_who_is_not_let_in_cannot_fill_it(api: Api, kept: Kept) -> None:
    for value in ("Bearer wrong", "Bearer ", "Bearer launch:", "Bearer launch", "Basic another-token"):
        response = await api.http.put("/v1/mounts/m", json={}, headers={"Authorization": value})
        assert response.status_code == 401
    assert kept.rows == []


async def test_every_route_that_changes_something_has_a_name_of_its_own(api: Api) -> None:
    paths = (await api.get("/openapi.json"))["paths"]
    changing = [
        (method.upper(), path)
        for path, methods in paths.items()
        for method in methods
        if method not in {"get", "head", "parameters"}
    ]
    names = [action_of(method, path.replace("{", "").replace("}", "")) for method, path in changing]
    assert len(changing) > 8
    assert len(set(names)) == len(names)
    assert not [name for name in names if "/" in name]


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("PUT", "/v1/instances/i", "instance"),
        ("DELETE", "/v1/instances/i", "instance delete"),
        ("POST", "/v1/prewarms/p/pause", "prewarm pause"),
        ("POST", "/v1/mounts/m/refresh", "mount refresh"),
        ("POST", "/elsewhere", "POST /elsewhere"),
        ("PUT", "/", "PUT /"),
    ],
)
def test_actions_are_named_by_method_and_path(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


def test_a_caller_cannot_make_a_line_long() -> None:
    body = {"source": "x" * 100_000, "sources": ["y" * 100_000] * 100_000, "blob_ids": ["z"] * 25_000, "extra": 1}
    assert len(json.dumps(fields_of(body))) < 10_000
    assert fields_of({"storage": [{"mount_path": "/mnt/a", "oss": {}}, "nonsense"]}) == {"storage": ["/mnt/a"]}


def test_an_outcome_is_told_without_an_answer_too() -> None:
    assert [outcome_of(None, {}), outcome_of(204, {}), outcome_of(503, {})] == ["no answer", "ok", "503"]


async def test_an_action_that_is_called_off_before_its_answer_is_recorded_too(kept: Kept) -> None:
    works = asyncio.Event()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        works.set()
        await asyncio.Event().wait()

    async def nothing() -> Message:
        raise AssertionError("the body is not asked for")

    async def nobody(_: Message) -> None:
        raise AssertionError("there is no answer")

    scope = {"type": "http", "method": "DELETE", "path": "/v1/mounts/m", "headers": []}
    request = asyncio.create_task(Audited(app, kept)(scope, nothing, nobody))
    await works.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert kept.rows == [
        {"action": "umount", "caller": "unknown", "id": "m", "outcome": "no answer", "status": None},
    ]
