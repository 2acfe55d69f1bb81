"""Listing, placement, peers, probes, metrics, and what every answer has in common."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from cachefs.errors import OriginNotFound
from cachefs.fuse.wait_histogram import Histogram
from mows import metric_names
from mows.api.app import create_app
from mows.api.middleware import BearerToken
from mows.errors import NotReady
from peer.rpc.token_file import TokenFile
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.peer_values import STATISTICS
from tests.unit.mows.twins import SOURCE

pytestmark = pytest.mark.expects_warnings  # refused requests are logged


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def test_ls(api: Api) -> None:
    api.node.origins.origin.put("model/a//b", b"hidden")
    document = await api.get("/v1/ls", source=SOURCE)
    assert [(row["path"], row["size_bytes"], row["local_bytes"]) for row in document["objects"]] == [
        ("a.safetensors", 10_000, 0),
        ("b.safetensors", 20_000, 0),
        ("config.json", 2, 0),
    ]
    assert (document["files"], document["total_bytes"], document["hidden_count"]) == (3, 30_002, 1)
    assert (document["hidden"], document["truncated"]) == ([], False)
    shown = await api.get("/v1/ls", source=SOURCE, hidden="true", limit=2)
    assert shown["hidden"] == [{"key": "model/a//b", "reason": "has an empty path component"}]
    assert (len(shown["objects"]), shown["truncated"]) == (2, True)


async def test_ls_of_undecodable_keys(api: Api) -> None:
    api.node.origins.origin.put("bad/\udcff", b"x")
    document = await api.get("/v1/ls", source="memory://bucket/bad/", hidden="true")
    assert document["hidden"] == [{"key": "bad/\\udcff", "reason": "is not valid UTF-8"}]


async def test_ls_of_what_is_not_there(api: Api) -> None:
    problem(await api.http.get("/v1/ls", params={"source": "memory://bucket/no/"}), 404, "source_empty")
    problem(await api.http.get("/v1/ls", params={"source": "x"}), 400, "invalid_source")
    problem(await api.http.get("/v1/ls"), 422, "invalid_request")
    api.node.origins.error = OriginNotFound("no such bucket")
    problem(await api.http.get("/v1/ls", params={"source": SOURCE}), 404, "origin_not_found")


async def test_placement_says_null_until_something_was_measured(api: Api) -> None:
    cold = await api.get("/v1/placement", source=SOURCE)
    assert (cold["node"], cold["zone"], cold["bytes"]["local"]) == ("node-a", "z1", 0)
    assert (cold["seconds_to_ready"], cold["origin_bytes_per_second"]) == (None, None)
    await api.put_mount(warm=True)
    assert (await api.get("/v1/placement", source=SOURCE))["seconds_to_ready"] == 0.0


async def test_a_node_without_peers_says_so(api: Api) -> None:
    document = await api.get("/v1/peers")
    assert (document["enabled"], document["configured"], document["node"], document["zone"]) == (
        False,
        False,
        "node-a",
        "z1",
    )
    assert (document["peers"], document["problems"], document["hedges"]) == ([], [], 0)
    absent = ("boot_id", "address", "discovery", "uploads", "downloads", "connections", "bytes_in_flight")
    assert {key: document[key] for key in absent} == dict.fromkeys(absent)


async def test_peers(api: Api) -> None:
    api.node.peers.statistics = STATISTICS
    document = await api.get("/v1/peers")
    peers, problems = document.pop("peers"), document.pop("problems")
    assert document == {
        "enabled": True,
        "configured": True,
        "node": "node-a",
        "boot_id": "0123456789abcdef",
        "address": "10.0.0.1:9302",
        "lane_port": 9303,
        "zone": "z1",
        "discovery": "dns",
        "uploads": {"running": 3, "limit": 12},
        "downloads": {"running": 8, "limit": 10},
        "connections": {"used": 5, "limit": 256},
        "bytes_in_flight": {"used": 24 << 20, "limit": 256 << 20},
        "uplink_bytes_per_second": 1 << 30,
        "swarms": 2,
        "busy_given": 6,
        "hedges": 1,
        "duplicate_bytes": 8 << 20,
        "takeovers": 9,
        "control_messages": {"sent": 40, "received": 50},
        "control_bytes": {"sent": 4000, "received": 5000},
        "rejected": {"unauthenticated": 2},
    }
    assert peers[0] == {
        "node": "node-b",
        "boot_id": "0123456789abcdef",
        "address": "10.0.0.2:9302",
        "lane_port": 9303,
        "zone": "z1",
        "version": "1.2.3",
        "state": "up",
        "reason": "",
        "lane": "bulk",
        "received_bytes": 1 << 30,
        "sent_bytes": 512 << 20,
        "requests_in_flight": 4,
        "chunk_seconds_p95": 0.012,
        "busy_answers": 3,
        "failures": 2,
        "corrupt_chunks": 0,
        "quarantined_seconds": 0.0,
    }
    assert (peers[1]["zone"], peers[1]["state"], peers[1]["corrupt_chunks"]) == (None, "quarantined", 1)
    assert problems == [
        {
            "address": "10.0.0.9:9302",
            "code": "peer_mismatch",
            "message": "10.0.0.9:9302: speaks protocol 2, this node 1",
            "hint": "finish the upgrade",
        }
    ]


async def test_probes(api: Api) -> None:
    assert await api.get("/healthz") == {"status": "ok", "node": "node-a", "version": "1.2.3"}
    assert await api.get("/readyz") == await api.get("/healthz")
    api.node.services.stopping.set()
    problem(await api.http.get("/readyz"), 503, "daemon_stopping")
    assert (await api.http.get("/healthz")).status_code == 200


async def test_not_ready(api: Api) -> None:
    def unwritable() -> None:
        raise NotReady("tier /t: Read-only file system")

    app = create_app(dataclasses.replace(api.node.services, check_ready=unwritable))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mows") as http:
        document = problem(await http.get("/readyz"), 503, "not_ready")
    assert document["detail"] == "tier /t: Read-only file system"


async def test_metrics_have_the_names_that_are_documented(api: Api) -> None:
    await api.put_mount(warm=True)
    api.node.peers.statistics = STATISTICS
    response = await api.http.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    ours = {name for name in families if name.startswith("mows_")}
    documented = {metric.name.removesuffix("_total") for metric in metric_names.ALL}
    assert ours <= documented
    absent = (
        metric_names.ORIGIN_LIMIT,
        metric_names.ORIGIN_RUNNING,
        metric_names.ORIGIN_DOWN,
        metric_names.KEEPER_CONNECTED,
        metric_names.PREWARM_ETA_ERROR,
    )
    assert documented - ours == {metric.name for metric in absent}, "this node has no origins, keeper and prewarm"
    samples = {(row.name, *row.labels.values()): row.value for family in families.values() for row in family.samples}
    assert samples["mows_mounts", "warm"] == 1
    assert samples["mows_mounts", "failed"] == 0
    assert samples["mows_mount_fetched_bytes_total", "m", "origin"] == 30_002
    assert samples["mows_fetched_bytes_total", "origin"] == 5
    assert samples["mows_peer_received_bytes_total", "node-b", "z1"] == 1 << 30
    assert samples["mows_mount_info", "m", str(api.node.root / "m"), SOURCE] == 1
    assert samples["mows_mount_origin_amplification_ratio", "m"] == 1
    assert samples["mows_fuse_reads_total", "m"] == 1
    assert samples["mows_mount_wait_seconds_bucket", "origin", "+Inf", "m"] == 0
    assert samples["mows_instances", "ready"] == 0


async def test_waits_are_told_by_what_they_were_for(api: Api) -> None:
    await api.put_mount()
    api.node.mounter.waits = {"origin": Histogram((1, 0, 2, 0, 0, 0, 1), 99.5)}
    families = text_string_to_metric_families((await api.http.get("/metrics")).text)
    (family,) = (family for family in families if family.name == metric_names.MOUNT_WAITS.name)
    assert family.type == "histogram"
    buckets = [row.value for row in family.samples if row.name.endswith("_bucket")]
    assert buckets == [1, 1, 3, 3, 3, 3, 4]
    assert {row.name: row.value for row in family.samples}["mows_mount_wait_seconds_sum"] == 99.5


async def test_the_last_prewarm_that_became_warm_tells_how_good_its_estimate_was(api: Api) -> None:
    name = metric_names.PREWARM_ETA_ERROR.name
    for _ in range(3):
        await api.post("/v1/prewarms", {"sources": [SOURCE]})
    assert name not in (await api.http.get("/metrics")).text
    first, second, _ = api.node.prewarms.all()
    first.eta_error_ratio, second.eta_error_ratio = 0.5, -0.125
    assert f"{name} -0.125\n" in (await api.http.get("/metrics")).text


async def test_metrics_without_peers_have_none_of_theirs(api: Api) -> None:
    assert "mows_peer" not in (await api.http.get("/metrics")).text


async def test_first_page(api: Api) -> None:
    await api.put_mount()
    page = (await api.http.get("/")).text
    assert "mows 1.2.3 on node-a: 1 mounts" in page
    assert f"mounted    {SOURCE} on {api.node.root / 'm'}" in page


async def test_routes_that_are_not_there(api: Api) -> None:
    problem(await api.http.get("/v2/mounts"), 404, "not_found")
    response = await api.http.post("/v1/mounts/m", json={})
    assert problem(response, 405, "http_error")["detail"] == "POST /v1/mounts/m: Method Not Allowed"
    assert response.headers["allow"]


async def test_a_bug_is_a_problem_too_and_logged_once(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    api.node.origins.error = ZeroDivisionError("a bug")  # type: ignore[assignment] # what no origin should raise
    problem(await api.http.get("/v1/ls", params={"source": SOURCE}), 500, "internal")
    assert [record.levelno for record in caplog.records if record.exc_info] == [logging.ERROR]


async def test_a_failed_request_is_one_line_with_its_id(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    response = await api.http.get("/v1/mounts/nope", headers={"X-Request-Id": "caller-7"})
    assert response.headers["x-request-id"] == "caller-7"
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "GET /v1/mounts/nope failed: mount 'nope': there is none"
    ]


@pytest.mark.parametrize("given", ["", "with space", "x" * 200, "new\x0bline"])
async def test_a_request_id_that_cannot_be_trusted_is_replaced(api: Api, given: str) -> None:
    response = await api.http.get("/healthz", headers={"X-Request-Id": given})
    assert response.headers["x-request-id"] != given
    assert len(response.headers["x-request-id"]) == 16


@dataclasses.dataclass(frozen=True)
class FileOnDisk:
    """A file that a test rewrites; None removes it."""

    path: Path

    def write(self, text: str | None) -> None:
        if text is None:
            self.path.unlink()
        else:
            self.path.write_text(text)


class TestToken:
    """On TCP every request but the probes needs the token."""

    @pytest.fixture
    def token_file(self, tmp_path: Path) -> FileOnDisk:
        file = FileOnDisk(tmp_path / "token")
        file.write("secret\n")
        return file

    @pytest.fixture
    async def http(self, api: Api, token_file: FileOnDisk) -> AsyncIterator[httpx.AsyncClient]:
        app = BearerToken(create_app(api.node.services), TokenFile(token_file.path, "api.token_file"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mows") as client:
            yield client

    @pytest.mark.parametrize("value", [None, "secret", "Basic secret", "Bearer wrong", "Bearer ", "Bearer secretx"])
    async def test_refused(self, http: httpx.AsyncClient, value: str | None) -> None:
        response = await http.get("/v1/mounts", headers={"Authorization": value} if value else {})
        problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == "Bearer"

    async def test_let_in(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/v1/mounts", headers={"Authorization": "bearer secret"})).status_code == 200

    async def test_probes_need_none(self, http: httpx.AsyncClient) -> None:
        assert [(await http.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")] == [200, 200, 401]

    async def test_a_rotated_token_counts_at_once(self, http: httpx.AsyncClient, token_file: FileOnDisk) -> None:
        token_file.write("newer")
        statuses = [
            (await http.get("/v1/mounts", headers={"Authorization": f"Bearer {token}"})).status_code
            for token in ("secret", "newer")
        ]
        assert statuses == [401, 200]

    async def test_without_its_file_nobody_gets_in(self, http: httpx.AsyncClient, token_file: FileOnDisk) -> None:
        for text in (None, ""):
            token_file.write(text)
            response = await http.get("/v1/mounts", headers={"Authorization": "Bearer "})
            assert response.status_code == 401
