"""``/v1/mounts`` as DESIGN section 8 describes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.errors import FuseUnavailable, InTheWay, NoSpace, OriginDenied, OriginUnavailable
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.twins import SOURCE

pytestmark = pytest.mark.expects_warnings  # refused requests and failed mounts are logged


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def test_a_mount_answers_with_the_fields_of_the_design(api: Api) -> None:
    response = await api.put_mount()
    assert response.status_code == 201
    document = response.json()
    assert document == {
        "id": "m",
        "source": SOURCE,
        "mount_path": str(api.node.root / "m"),
        "state": "mounted",
        "snapshot": document["snapshot"],
        "percent": 0.0,
        "bytes": {"total": 30_002, "local": 0, "from_peers": 0, "from_origin": 0},
        "eta_seconds": None,
        "warm_until": None,
        "error": None,
        "warm": False,
        "files": 3,
        "hidden": 0,
        "passthrough": True,
    }
    assert len(document["snapshot"]) == 32
    assert await api.get("/v1/mounts/m") == document
    assert await api.get("/v1/mounts") == {"mounts": [document]}


async def test_a_warm_mount(api: Api) -> None:
    document = (await api.put_mount(warm=True, lease="2h")).json()
    assert (document["state"], document["percent"], document["eta_seconds"]) == ("warm", 100.0, 0.0)
    assert document["bytes"] == {"total": 30_002, "local": 30_002, "from_peers": 0, "from_origin": 30_002}
    assert document["warm_until"] == "1970-01-01T02:16:40Z"  # the twin's clock stands at 1000 s


async def test_put_is_idempotent(api: Api) -> None:
    first = await api.put_mount(warm=True, lease="1h")
    again = await api.put_mount(warm=True, lease=3600)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    problem(await api.put_mount(warm=True, lease="2h"), 409, "mount_conflict")


async def test_put_without_wait_answers_at_once(api: Api) -> None:
    response = await api.http.put("/v1/mounts/m", json=api.body())
    assert response.status_code == 201
    document = response.json()
    assert document["state"] in {"pending", "mounting"}
    assert (document["snapshot"], document["percent"], document["passthrough"]) == (None, None, None)
    assert (await api.get("/v1/mounts/m", wait=30))["state"] == "mounted"


async def test_delete_is_idempotent(api: Api) -> None:
    await api.put_mount()
    for _ in range(2):
        assert (await api.http.delete("/v1/mounts/m")).status_code == 204
    problem(await api.http.get("/v1/mounts/m"), 404, "mount_not_found")


@pytest.mark.parametrize(
    ("change", "status", "code", "detail"),
    [
        ({"source": "bucket/prefix"}, 400, "invalid_source", "no scheme"),
        ({"source": "nonsense://b/"}, 400, "unknown_scheme", "nonsense"),
        ({"mount_path": "/elsewhere"}, 403, "target_not_allowed", "allowed_roots"),
        ({"mount_path": "relative"}, 409, "invalid_target", "absolute"),
        ({"mount_path": "/a/../b"}, 409, "invalid_target", "'..'"),
        ({"source": 7}, 422, "invalid_request", "source: "),
        ({"mount_pth": "/x"}, 422, "invalid_request", "mount_pth: Extra inputs"),
        ({"warm": True, "lease": "soon"}, 422, "invalid_request", "lease: "),
        ({"lease": "2h"}, 422, "invalid_request", "only a warm mount"),
        ({"refresh_seconds": -1}, 422, "invalid_request", "refresh_seconds: "),
    ],
)
async def test_bad_input_is_told_at_once(
    api: Api, change: dict[str, object], status: int, code: str, detail: str
) -> None:
    response = await api.http.put("/v1/mounts/m", json=api.body() | change)
    assert detail in problem(response, status, code)["detail"]
    assert await api.get("/v1/mounts") == {"mounts": []}


async def test_a_body_that_is_no_json(api: Api) -> None:
    response = await api.http.put("/v1/mounts/m", content=b"{", headers={"content-type": "application/json"})
    assert problem(response, 422, "invalid_request")["detail"]


async def test_an_id_that_is_no_name(api: Api) -> None:
    response = await api.http.put("/v1/mounts/a%20b", json=api.body())
    assert "is not a name" in problem(response, 422, "invalid_request")["detail"]


async def test_a_path_in_use(api: Api) -> None:
    await api.put_mount("m")
    problem(await api.http.put("/v1/mounts/other", json=api.body("m")), 409, "mount_path_in_use")
    api.node.mounter.occupied.add(api.node.root / "taken")
    problem(await api.put_mount("taken"), 409, "invalid_target")


@pytest.mark.parametrize(("source", "code"), [("memory://bucket/nothing/", "source_empty"), (SOURCE, "origin_denied")])
async def test_what_only_the_origin_can_tell_is_in_the_mount(api: Api, source: str, code: str) -> None:
    if code == "origin_denied":
        api.node.origins.error = OriginDenied("403 from the bucket")
    document = (await api.put_mount(source=source)).json()
    assert (document["state"], document["error"]["code"]) == ("failed", code)
    assert document["error"]["message"]
    assert document["error"]["hint"]


async def test_a_mount_that_failed_can_be_put_again(api: Api) -> None:
    api.node.mounter.error = FuseUnavailable("no /dev/fuse")
    assert (await api.put_mount()).json()["error"]["code"] == "fuse_unavailable"
    api.node.mounter.error = None
    response = await api.put_mount()
    assert (response.status_code, response.json()["state"]) == (201, "mounted")


async def test_a_mount_that_cannot_be_warmed_is_mounted_and_says_why(api: Api) -> None:
    api.node.cache.failures["model/b.safetensors"] = NoSpace("no tier has room")
    document = (await api.put_mount(warm=True)).json()
    assert (document["state"], document["error"]["code"]) == ("mounted", "no_space")
    assert document["error"]["in_the_way"] == []


async def test_a_warm_mount_without_room_names_what_is_in_the_way_and_a_refresh_tries_again(api: Api) -> None:
    ways = [InTheWay("b" * 32, "memory://bucket/other", 8192, ("open",))]
    api.node.cache.failures["admit"] = NoSpace("4096 bytes are to be kept", hint="let go", in_the_way=ways)
    response = await api.put_mount(warm=True)
    assert response.status_code == 201
    document = response.json()
    assert (document["state"], document["error"]["code"]) == ("mounted", "no_space")
    (way,) = document["error"]["in_the_way"]
    assert way == {"blob": "b" * 32, "source": "memory://bucket/other", "bytes": 8192, "held_by": ["open"]}
    api.node.cache.failures.clear()
    (await api.http.post("/v1/mounts/m/refresh")).raise_for_status()
    document = await api.get("/v1/mounts/m", wait=30)
    assert (document["state"], document["error"]) == ("warm", None)


async def test_refresh(api: Api) -> None:
    before = (await api.put_mount()).json()
    api.node.origins.origin.put("model/new", b"x")
    after = await api.post("/v1/mounts/m/refresh", None)
    assert after["files"] == before["files"] + 1
    assert after["snapshot"] != before["snapshot"]
    api.node.origins.error = OriginUnavailable("refused")
    problem(await api.http.post("/v1/mounts/m/refresh"), 502, "origin_unavailable")
    document = await api.get("/v1/mounts/m")
    assert (document["state"], document["snapshot"]) == ("mounted", after["snapshot"])
    assert document["error"]["code"] == "origin_unavailable"


async def test_a_stopping_daemon_takes_no_mount(api: Api) -> None:
    await api.node.mounts.close()
    assert problem(await api.put_mount(), 503, "daemon_stopping")["retryable"] is True
