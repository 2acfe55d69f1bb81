"""What a real daemon answers when models do not fit into its cache, beside each other or at all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fuse.daemon_process import Home, Process, running

FILES = 2
FILE_BYTES = 5 << 20
"""One model fits into the tier, two do not."""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.sections["cache"] = {
        "chunk_bytes": "1MiB",
        "tiers": [{"path": str(tmp_path / "tier"), "capacity": "16MiB", "huge_pages": "off"}],
    }
    for seed, model in enumerate(("one", "other")):
        (home.source / model).mkdir()
        for number in range(FILES):
            data = random.Random(10 * seed + number).randbytes(FILE_BYTES)
            (home.source / model / f"{number}.bin").write_bytes(data)
    return home


@pytest.fixture
def daemon(home: Home) -> Iterator[Process]:
    with running(home) as process:
        yield process


def source(daemon: Process, model: str) -> str:
    return f"file://{daemon.home.source}/{model}"


def prewarm(daemon: Process, model: str) -> httpx.Response:
    return daemon.http.post("/v1/prewarms", json={"sources": [source(daemon, model)], "lease": "1h"})


def holders(ways: list[dict[str, Any]]) -> set[str]:
    return {holder for way in ways for holder in way["held_by"]}


def test_of_two_prewarms_that_begin_at_once_one_is_refused_with_the_other_in_its_way(daemon: Process) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda model: prewarm(daemon, model), ("one", "other")))
    admitted, refused = sorted(answers, key=lambda answer: answer.status_code)
    assert (admitted.status_code, refused.status_code) == (201, 507)
    job, problem = admitted.json(), refused.json()
    assert problem["code"] == "no_space"
    (admitted_source,) = job["sources"]
    assert {way["source"] for way in problem["in_the_way"]} == {f"{admitted_source}{n}.bin" for n in range(FILES)}
    assert holders(problem["in_the_way"]) - {"open"} == {f"prewarm:{job['id']}"}
    events = daemon.http.get(f"/v1/prewarms/{job['id']}/events").text
    assert "event: warm" in events
    daemon.http.delete(f"/v1/prewarms/{job['id']}").raise_for_status()
    assert {prewarm(daemon, model).status_code for model in ("one", "other")} == {201, 507}
    assert prewarm(daemon, "one").status_code == 201  # it is admitted already: nothing more is needed for it


def test_a_warm_mount_that_does_not_fit_can_be_read_and_says_what_is_in_its_way(daemon: Process) -> None:
    job = prewarm(daemon, "one").json()
    document = daemon.put_mount(source=source(daemon, "other"), warm=True)
    assert (document["state"], document["error"]["code"]) == ("mounted", "no_space")
    assert holders(document["error"]["in_the_way"]) - {"open"} == {f"prewarm:{job['id']}"}
    for path in sorted((daemon.home.source / "other").iterdir()):
        assert (daemon.home.mounts / "m" / path.name).read_bytes() == path.read_bytes()

    daemon.http.delete(f"/v1/prewarms/{job['id']}").raise_for_status()
    daemon.http.post("/v1/mounts/m/refresh").raise_for_status()
    document = daemon.http.get("/v1/mounts/m", params={"wait": 60}).json()
    assert (document["state"], document["percent"], document["error"]) == ("warm", 100.0, None)


def test_what_never_fits_has_nothing_in_its_way(daemon: Process) -> None:
    document = daemon.put_mount(warm=True)
    assert (document["state"], document["error"]["code"]) == ("mounted", "no_space")
    assert document["error"]["in_the_way"] == []
    assert document["error"]["hint"] == "raise a tier's capacity"
