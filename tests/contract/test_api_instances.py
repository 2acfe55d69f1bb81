"""``/v1/instances``: an EAS service JSON in, one mount per entry out, all or nothing."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cachefs.errors import NoSpace, OriginDenied
from tests.contract.api_client import Api, problem, running_api

pytestmark = pytest.mark.expects_warnings  # refused requests and failed mounts are logged

MODEL: dict[str, Any] = {"mount_path": "/mnt/model/", "oss": {"path": "oss://bucket/model/", "readOnly": True}}
FAST: dict[str, Any] = {"mount_path": "/mnt/fast/", "cache": {"path": "/mnt/model/"}}
SCRATCH: dict[str, Any] = {"mount_path": "/tmp/scratch", "empty_dir": {"medium": "memory"}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def put(api: Api, *storage: object, instance_id: str = "i", **options: object) -> httpx.Response:
    """Ask for an instance, with fields around the storage that are of no concern, and wait for it."""
    body = {
        "name": "qwen",
        "metadata": {"instance": 2, "gpu": 1},
        "containers": [{"image": "vllm", "port": 8000}],
        "storage": list(storage),
        "mows": options,
    }
    return await api.http.put(f"/v1/instances/{instance_id}?wait=30", json=body)


async def test_a_service_json_becomes_mounts(api: Api) -> None:
    response = await put(api, MODEL, FAST, SCRATCH)
    assert response.status_code == 201
    document = response.json()
    root = api.node.root / "i"
    mounts = document.pop("mounts")
    assert document == {
        "id": "i",
        "name": "qwen",
        "state": "ready",
        "ready": True,
        "eta_seconds": 0.0,
        "lease_until": None,
        "process": None,
        "pod": None,
        "root": str(root),
        "ignored": [{"mount_path": "/tmp/scratch", "kind": "empty_dir", "reason": document["ignored"][0]["reason"]}],
        "error": None,
    }
    assert [(row["id"], row["storage_path"], row["mount_path"], row["source"], row["state"]) for row in mounts] == [
        ("i.0", "/mnt/model", str(root / "mnt/model"), "oss://bucket/model/", "mounted"),
        ("i.1", "/mnt/fast", str(root / "mnt/fast"), "oss://bucket/model", "mounted"),
    ]
    assert set(api.node.mounter.mounts) == {root / "mnt/model", root / "mnt/fast"}
    assert await api.get("/v1/instances/i") == document | {"mounts": mounts}
    assert (await api.get("/v1/instances"))["instances"] == [document | {"mounts": mounts}]
    assert [row["id"] for row in (await api.get("/v1/mounts"))["mounts"]] == ["i.0", "i.1"]


async def test_put_is_idempotent_and_only_what_is_used_counts(api: Api) -> None:
    first = await put(api, MODEL)
    again = await put(api, {"mountPath": "/mnt/model", "oss": {"path": "oss://bucket/model/", "read_only": True}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    problem(await put(api, MODEL, FAST), 409, "instance_conflict")
    problem(await put(api, MODEL, ready="warm"), 409, "instance_conflict")


async def test_ready_means_warm_when_that_is_asked_for_and_only_the_twin_is_warmed(api: Api) -> None:
    api.node.cache.gate.clear()
    slow = await api.http.put("/v1/instances/i?wait=0", json={"storage": [MODEL, FAST], "mows": {"ready": "warm"}})
    await api.node.cache.started.get()
    document = await api.get("/v1/instances/i")
    assert (slow.status_code, document["state"], document["ready"], document["error"]) == (201, "mounting", False, None)
    api.node.cache.gate.set()
    document = await api.get("/v1/instances/i", wait=30)
    assert (document["state"], document["ready"], document["eta_seconds"]) == ("ready", True, 0.0)
    assert [(row["state"], row["warm"]) for row in document["mounts"]] == [("mounted", False), ("warm", True)]


async def test_what_cannot_be_warmed_is_not_taken_down(api: Api) -> None:
    api.node.cache.failures["admit"] = NoSpace("full")
    document = (await put(api, MODEL, ready="warm")).json()
    assert (document["state"], document["ready"], document["eta_seconds"]) == ("mounting", False, None)
    assert (document["error"]["code"], document["error"]["storage_path"]) == ("no_space", "/mnt/model")
    assert len(api.node.mounter.mounts) == 1


async def test_one_mount_that_fails_takes_the_others_with_it(api: Api) -> None:
    document = (await put(api, MODEL, {"mount_path": "/mnt/empty", "oss": {"path": "oss://bucket/nothing/"}})).json()
    assert (document["state"], document["ready"], document["mounts"]) == ("failed", False, [])
    assert document["error"]["code"] == "source_empty"
    assert document["error"]["storage_path"] == "/mnt/empty"
    assert document["error"]["retryable"] is False
    assert (api.node.mounter.mounts, (await api.get("/v1/mounts"))["mounts"]) == ({}, [])
    response = await put(api, MODEL)  # another body: a failed instance is not live
    assert (response.status_code, response.json()["state"]) == (201, "ready")


async def test_one_mount_that_is_refused_at_once_leaves_none(api: Api) -> None:
    api.node.mounter.occupied.add(api.node.root / "i/mnt/fast")
    problem(await put(api, MODEL, FAST), 409, "invalid_target")
    assert ((await api.get("/v1/mounts"))["mounts"], api.node.mounter.mounts) == ([], {})
    problem(await api.http.get("/v1/instances/i"), 404, "instance_not_found")
    problem(await put(api, MODEL, root="/elsewhere"), 403, "target_not_allowed")
    await api.put_mount("i.0")
    problem(await put(api, MODEL), 409, "mount_conflict")
    assert (await api.get("/v1/mounts/i.0"))["state"] == "mounted"


async def test_an_error_says_whether_the_same_call_may_succeed_later(api: Api) -> None:
    api.node.origins.error = OriginDenied("403")
    assert (await put(api, MODEL)).json()["error"]["retryable"] is False
    await api.node.instances.close()
    assert problem(await put(api, MODEL), 503, "daemon_stopping")["retryable"] is True


async def test_delete_takes_everything_down(api: Api) -> None:
    await put(api, MODEL, FAST)
    problem(await api.http.delete("/v1/mounts/i.0"), 409, "mount_of_instance")
    for _ in range(2):
        assert (await api.http.delete("/v1/instances/i")).status_code == 204
    assert (api.node.mounter.mounts, (await api.get("/v1/instances"))["instances"]) == ({}, [])


async def test_a_lease_is_renewed_by_put_and_ends_the_instance(api: Api) -> None:
    first = (await put(api, MODEL, lease="1h")).json()
    api.node.clock.now += 3000
    api.node.now.now += 3000
    again = (await put(api, MODEL, lease="1h")).json()
    assert (first["lease_until"], again["lease_until"]) == ("1970-01-01T01:16:40Z", "1970-01-01T02:06:40Z")
    api.node.clock.now += 3599
    api.node.instances.expire()
    instance = api.node.instances.get("i")
    assert instance.state == "ready"
    api.node.clock.now += 1
    api.node.instances.expire()
    await api.http.delete("/v1/instances/i")  # waits for the end
    assert api.node.mounter.mounts == {}


async def test_a_process_that_is_not_there_is_refused(api: Api) -> None:
    document = problem(await put(api, MODEL, process=4_194_303), 422, "process_not_found")
    assert "hostPID" in document["hint"]
    assert (await put(api, MODEL, process=os.getpid())).json()["process"] == os.getpid()


async def test_a_pod_that_is_not_there_is_refused(api: Api, tmp_path: Path) -> None:
    document = problem(await put(api, MODEL, pod="7c1e"), 422, "pod_not_found")
    assert "kubelet_dir" in document["hint"]
    (tmp_path / "kubelet" / "pods" / "7c1e").mkdir(parents=True)
    assert (await put(api, MODEL, pod="7c1e")).json()["pod"] == "7c1e"


@pytest.mark.parametrize(
    ("body", "code", "detail"),
    [
        ({"storage": [{"mount_path": "/x", "git": {"repository": "r"}}]}, "unsupported_storage", "'git'"),
        ({"storage": [MODEL | {"oss": {"path": "oss://b/", "readOnly": False}}]}, "storage_writable", "storage[0].oss"),
        ({"storage": [{"mount_path": "x", "oss": {"path": "oss://b/"}}]}, "invalid_storage", "absolute"),
        ({"storage": [{"mount_path": "/\ud800", "oss": {"path": "oss://b/\ud800"}}]}, "invalid_storage", "ud800"),
        ({"storage": [7]}, "invalid_request", "storage[0]"),
        ({"storage": [MODEL], "mows": {"reedy": "warm"}}, "invalid_request", "mows.reedy"),
        ({"storage": [MODEL], "mows": {"lease": "soon"}}, "invalid_request", "mows.lease"),
        ({"storage": [MODEL], "mows": {"process": 0}}, "invalid_request", "mows.process"),
        ({"storage": [MODEL], "mows": {"pod": "../../etc"}}, "invalid_request", "mows.pod"),
    ],
)
async def test_bad_input_is_told_at_once(api: Api, body: dict[str, object], code: str, detail: str) -> None:
    response = await api.http.put(
        "/v1/instances/i", content=json.dumps(body), headers={"content-type": "application/json"}
    )
    assert detail in problem(response, 422, code)["detail"]
    assert (await api.get("/v1/mounts"))["mounts"] == []


async def test_an_id_that_is_no_name(api: Api) -> None:
    response = await api.http.put("/v1/instances/a%20b", json={"storage": [MODEL]})
    assert "is not a name" in problem(response, 422, "invalid_request")["detail"]
    assert "x" * 121 in problem(await put(api, MODEL, instance_id="x" * 121), 422, "invalid_request")["detail"]


async def test_nothing_to_mount_is_ready_at_once(api: Api) -> None:
    document = (await put(api, SCRATCH)).json()
    assert (document["state"], document["mounts"]) == ("ready", [])
    assert (await api.http.put("/v1/instances/bare?wait=30", json={})).json()["state"] == "ready"
