"""``/v1/prewarms``."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from cachefs.errors import InTheWay, NoSpace
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.twins import SOURCE

pytestmark = pytest.mark.expects_warnings  # refused requests are logged


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def events(api: Api, prewarm_id: str) -> list[tuple[str, dict[str, Any]]]:
    """All events of a prewarm, to the end of the stream."""
    response = (await api.http.get(f"/v1/prewarms/{prewarm_id}/events")).raise_for_status()
    assert response.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in response.text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


async def test_from_post_to_warm(api: Api) -> None:
    response = await api.http.post("/v1/prewarms", json={"sources": [SOURCE], "lease": "2h"})
    assert response.status_code == 201
    started = response.json()
    assert response.headers["location"] == f"/v1/prewarms/{started['id']}"
    assert started["sources"] == [SOURCE]
    assert started["state"] in {"warming", "warm"}  # it was listed, and fits

    *before, (name, last) = await events(api, started["id"])
    assert {kind for kind, _ in before} <= {"progress"}
    assert name == last["state"] == "warm"
    assert last == {
        "id": started["id"],
        "sources": [SOURCE],
        "state": "warm",
        "percent": 100.0,
        "bytes": {"total": 30_002, "local": 30_002, "from_peers": 0, "from_origin": 30_002},
        "bytes_per_second": None,  # the twin's clock stands still
        "eta_seconds": 0.0,
        "warm_until": "1970-01-01T02:16:40Z",
        "error": None,
        "files": 3,
        "order": "engine",
        "rate": None,
        "eta_error_ratio": None,
        "corrupt_chunks": None,
        "nodes": None,
    }
    assert await api.get(f"/v1/prewarms/{started['id']}") == last
    assert await api.get("/v1/prewarms") == {"prewarms": [last]}


async def test_a_prewarm_that_fails_says_why(api: Api) -> None:
    api.node.cache.failures["model/a.safetensors"] = NoSpace("no tier has room")
    started = await api.post("/v1/prewarms", {"sources": [SOURCE]})
    name, last = (await events(api, started["id"]))[-1]
    assert (name, last["error"]["code"]) == ("failed", "no_space")


async def test_what_cannot_fit_is_refused_with_what_is_in_the_way(api: Api) -> None:
    ways = [InTheWay("b" * 32, "memory://bucket/other", 8192, ("open",))]
    api.node.cache.failures["admit"] = NoSpace("4096 bytes are to be kept", hint="let go", in_the_way=ways)
    response = await api.http.post("/v1/prewarms", json={"sources": [SOURCE]})
    assert response.status_code == 507
    problem = response.json()
    assert (problem["code"], problem["hint"]) == ("no_space", "let go")
    (way,) = problem["in_the_way"]
    assert way == {"blob": "b" * 32, "source": "memory://bucket/other", "bytes": 8192, "held_by": ["open"]}
    assert (await api.http.get("/v1/prewarms")).json() == {"prewarms": []}


async def test_delete_is_idempotent_and_ends_the_stream(api: Api) -> None:
    started = await api.post("/v1/prewarms", {"sources": [SOURCE]})
    for _ in range(2):
        assert (await api.http.delete(f"/v1/prewarms/{started['id']}")).status_code == 204
    problem(await api.http.get(f"/v1/prewarms/{started['id']}"), 404, "prewarm_not_found")
    problem(await api.http.get(f"/v1/prewarms/{started['id']}/events"), 404, "prewarm_not_found")
    assert api.node.cache.pinned == set()


async def test_the_stream_ends_when_the_daemon_stops(api: Api) -> None:
    api.node.cache.gate.clear()
    started = await api.post("/v1/prewarms", {"sources": [SOURCE]})
    api.node.services.stopping.set()
    response = await api.http.get(f"/v1/prewarms/{started['id']}/events")
    assert response.text == ""


async def test_pause_and_resume(api: Api) -> None:
    api.node.cache.gate.clear()
    started = await api.post("/v1/prewarms", {"sources": [SOURCE], "rate": "200MB/s", "order": "size"})
    assert (started["rate"], started["order"]) == (200e6, "size")
    for _ in range(2):
        await api.post(f"/v1/prewarms/{started['id']}/pause", None)
    while (await api.get(f"/v1/prewarms/{started['id']}"))["state"] != "paused":
        await api.node.prewarms.get(started["id"]).changed(30.0)
    await api.post(f"/v1/prewarms/{started['id']}/resume", None)
    api.node.cache.gate.set()
    assert (await events(api, started["id"]))[-1][0] == "warm"
    for verb in ("pause", "resume"):
        problem(await api.http.post(f"/v1/prewarms/{started['id']}/{verb}"), 409, "wrong_prewarm_state")
        problem(await api.http.post(f"/v1/prewarms/none/{verb}"), 404, "prewarm_not_found")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"sources": []}, 422, "invalid_request"),
        ({"sources": SOURCE}, 422, "invalid_request"),
        ({"sources": [SOURCE], "lease": "-1h"}, 422, "invalid_request"),
        ({"sources": [SOURCE], "node": "all"}, 422, "invalid_request"),
        ({"sources": [SOURCE], "order": "random"}, 422, "invalid_request"),
        ({"sources": [SOURCE], "rate": "fast"}, 422, "invalid_request"),
        ({"sources": [SOURCE], "rate": 10}, 422, "invalid_request"),
        ({"sources": ["memory://bucket/[z-a]"]}, 400, "invalid_source"),
        ({"sources": [SOURCE, "x"]}, 400, "invalid_source"),
    ],
)
async def test_bad_input(api: Api, body: object, status: int, code: str) -> None:
    problem(await api.http.post("/v1/prewarms", json=body), status, code)
    assert await api.get("/v1/prewarms") == {"prewarms": []}
