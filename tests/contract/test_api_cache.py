"""``/v1/cache``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.types import BlobId
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.twins import CHUNK_BYTES, SOURCE

pytestmark = pytest.mark.expects_warnings  # refused requests are logged


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    """A node whose cache holds the three files of the model, and one of another source."""
    async with running_api(tmp_path) as running:
        for info in (*running.node.put_model().values(), running.node.origins.origin.put("modelling/x", b"x")):
            running.node.cache.resident.add(running.node.cache.add(info))
        yield running


def results(document: dict[str, list[dict[str, object]]]) -> dict[str, object]:
    return {str(row["uri"]).removeprefix("memory://bucket/"): row["result"] for row in document["blobs"]}


async def test_tiers_and_counts(api: Api) -> None:
    document = await api.get("/v1/cache")
    assert document["chunk_bytes"] == CHUNK_BYTES
    assert [tier["path"] for tier in document["tiers"]] == ["/tier"]
    assert document["tiers"][0]["blobs"] == 4


async def test_blobs(api: Api) -> None:
    blobs = {row["uri"]: row for row in (await api.get("/v1/cache/blobs"))["blobs"]}
    row = blobs["memory://bucket/model/config.json"]
    assert (row["size_bytes"], row["resident_bytes"], row["sealed"], row["pinned"]) == (2, 2, True, False)
    assert row["last_used"] == "1970-01-01T00:16:40Z"


async def test_pin_by_source_keeps_from_eviction_until_unpinned(api: Api) -> None:
    below = ["model/a.safetensors", "model/b.safetensors", "model/config.json"]
    assert results(await api.post("/v1/cache/pin", {"source": SOURCE})) == dict.fromkeys(below, "pinned")
    everything = await api.post("/v1/cache/evict", {"all": True})
    assert results(everything) == dict.fromkeys(below, "busy") | {"modelling/x": "evicted"}
    assert results(await api.post("/v1/cache/unpin", {"source": SOURCE})) == dict.fromkeys(below, "unpinned")
    assert results(await api.post("/v1/cache/evict", {"source": SOURCE})) == dict.fromkeys(below, "evicted")
    assert await api.get("/v1/cache/blobs") == {"blobs": []}


async def test_a_lease_outlasts_unpin(api: Api) -> None:
    info = api.node.put_model()["config.json"]
    await api.node.pins.hold_objects("prewarm:1", [info], 60.0)
    selection = {"blob_ids": [api.node.cache.blob_id(info)]}
    await api.post("/v1/cache/unpin", selection)
    assert results(await api.post("/v1/cache/evict", selection)) == {"model/config.json": "busy"}
    rows = {row["uri"]: row for row in (await api.get("/v1/cache/blobs"))["blobs"]}
    assert rows[info.uri]["pinned_until"] == "1970-01-01T00:17:40Z"


async def test_verify_names_what_was_dropped(api: Api) -> None:
    info = api.node.put_model()["b.safetensors"]
    api.node.cache.bad_chunks[api.node.cache.blob_id(info)] = [0, 3]
    document = await api.post("/v1/cache/verify", {"all": True})
    corrupt = [row for row in document["blobs"] if row["result"] != "ok"]
    assert [(row["uri"], row["result"], row["bad_chunks"]) for row in corrupt] == [(info.uri, "corrupt", [0, 3])]


async def test_verify_gives_up_when_the_daemon_stops(api: Api) -> None:
    api.node.services.stopping.set()
    problem(await api.http.post("/v1/cache/verify", json={"all": True}), 503, "daemon_stopping")


@pytest.mark.parametrize("body", [{}, {"all": False}, {"all": True, "source": SOURCE}, {"blob_ids": [], "all": True}])
async def test_exactly_one_selection(api: Api, body: dict[str, object]) -> None:
    detail = problem(await api.http.post("/v1/cache/evict", json=body), 422, "invalid_request")["detail"]
    assert "exactly one of blob_ids, source and all" in detail


@pytest.mark.parametrize("action", ["pin", "unpin", "evict", "verify"])
async def test_an_unknown_blob_and_a_source_that_is_none(api: Api, action: str) -> None:
    unknown = {"blob_ids": [BlobId("f" * 32)]}
    problem(await api.http.post(f"/v1/cache/{action}", json=unknown), 404, "blob_not_found")
    problem(await api.http.post(f"/v1/cache/{action}", json={"source": "x"}), 400, "invalid_source")
    assert len((await api.get("/v1/cache/blobs"))["blobs"]) == 4
