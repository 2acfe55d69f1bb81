"""``/v1/mounts/{id}/explain``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from cachefs.fuse.read_times import LoadTimes
from cachefs.fuse.statistics import FuseStatistics
from cachefs.ports import Waited
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.twins import MemoryKernelMount


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


async def test_where_the_seconds_went(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.put_mount(warm=True)
    load = LoadTimes(10.0, 8.0, 16.0, Waited(origin=12.0, queued=2.0), 1.0)
    monkeypatch.setattr(MemoryKernelMount, "statistics", lambda _: FuseStatistics({}, 9, 30_000, 0, 1, 2, load))
    document = await api.get("/v1/mounts/m/explain")
    sentence = document.pop("sentence")
    assert document == {
        "id": "m",
        "elapsed_seconds": 10.0,
        "seconds": {"origin": 6.0, "peers": 0.0, "disk": 0.5, "waiting": 1.0, "fuse": 0.5, "reader": 2.0},
        "bound_by": "origin",
        "bytes": {"origin": 30_002, "peers": 0, "delivered": 30_000},
        "passthrough_opens": 2,
    }
    assert sentence.startswith("The origin bound it: for 60% of the time")


async def test_a_mount_that_nobody_read(api: Api) -> None:
    await api.put_mount()
    document = await api.get("/v1/mounts/m/explain")
    assert (document["bound_by"], document["elapsed_seconds"]) == (None, 0.0)
    assert document["sentence"]


@pytest.mark.expects_warnings
async def test_there_is_no_such_mount(api: Api) -> None:
    problem(await api.http.get("/v1/mounts/no/explain"), 404, "mount_not_found")
