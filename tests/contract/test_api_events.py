"""``/v1/events`` and ``/``: what is sent, to how many, until when."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from mows.api.event_models import Snapshot
from mows.api.events import INTERVAL_SECONDS, MOST_BUSY_RATIO, MOST_LISTENERS, EventStream, Snapshots
from mows.recent_failures import Failure
from tests.contract.api_client import Api, problem, running_api
from tests.unit.mows.peer_values import STATISTICS
from tests.unit.mows.twins import SOURCE, Clock

HTML = {"Accept": "text/html,application/xhtml+xml;q=0.9"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with running_api(tmp_path) as running:
        yield running


def _document(event: str) -> dict[str, Any]:
    head, data, *_ = event.split("\n")
    assert head == "event: snapshot"
    document: dict[str, Any] = json.loads(data.removeprefix("data: "))
    return document


async def test_a_snapshot_says_what_the_other_routes_say(api: Api) -> None:
    await api.put_mount(warm=True)
    api.node.peers.statistics = STATISTICS
    prewarm = await api.post("/v1/prewarms", {"sources": [SOURCE]})
    await api.http.get(f"/v1/prewarms/{prewarm['id']}/events")  # to its end
    failure = Failure(1.0, "WARNING", "warm failed", "origin_denied", "check the keys", "m")
    services = dataclasses.replace(api.node.services, failures=lambda: [failure])
    document = json.loads(await Snapshots(services).latest())
    assert document["mounts"] == (await api.get("/v1/mounts"))["mounts"]
    assert document["prewarms"] == (await api.get("/v1/prewarms"))["prewarms"]
    assert document["cache"] == await api.get("/v1/cache")
    assert document["peers"] == await api.get("/v1/peers")
    assert document["node"]["node"] == "node-a"
    assert document["fetching"]["from_origin"] == 5
    assert [(row["at"], row["code"], row["count"]) for row in document["failures"]] == [
        ("1970-01-01T00:00:01Z", "origin_denied", 1)
    ]


async def test_one_snapshot_serves_all_and_is_made_anew_when_it_is_old(api: Api) -> None:
    clock = Clock()
    snapshots = Snapshots(api.node.services, clock)
    first = await snapshots.latest()
    assert await snapshots.latest() is first
    clock.now += INTERVAL_SECONDS
    assert await snapshots.latest() is not first


async def test_a_node_on_which_it_is_much_work_makes_it_less_often(api: Api) -> None:
    """A clock that is read at the begin and at the end of making one: this one takes three seconds."""
    moments = iter([0.0, 3.0, 3.0 / MOST_BUSY_RATIO - 0.1, 3.0 / MOST_BUSY_RATIO, 40.0])
    snapshots = Snapshots(api.node.services, lambda: next(moments))
    first = await snapshots.latest()
    assert await snapshots.latest() is first
    assert await snapshots.latest() is not first


async def test_the_stream_ends_when_the_daemon_stops(api: Api) -> None:
    stream = Snapshots(api.node.services).stream()
    assert Snapshot.model_validate(_document(await anext(stream))).node.node == "node-a"
    api.node.services.stopping.set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


@pytest.mark.expects_warnings
async def test_there_are_so_many_places_and_they_are_given_back(api: Api) -> None:
    listeners = [asyncio.create_task(api.http.get("/v1/events")) for _ in range(MOST_LISTENERS)]
    while (refused := await _turned_away(api)) is None:
        continue
    problem(refused, 503, "too_many_listeners")
    assert refused.json()["retryable"] is True
    api.node.services.stopping.set()
    answers = await asyncio.gather(*listeners)
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].headers["content-type"].startswith("text/event-stream")
    assert answers[0].headers["cache-control"] == "no-store"
    assert (await api.http.get("/v1/events")).status_code == 200, "there is room again"


async def _turned_away(api: Api) -> Any:
    """The answer to one more listener; None when it was let in, because not all the others had begun."""
    asked = asyncio.create_task(api.http.get("/v1/events"))
    done, _ = await asyncio.wait({asked}, timeout=0.05)
    if done:
        return asked.result()
    asked.cancel()
    await asyncio.wait({asked})
    return None


async def test_a_listener_that_takes_nothing_is_let_go() -> None:
    gone = asyncio.Event()

    async def events() -> AsyncIterator[str]:
        yield "event: snapshot\ndata: {}\n\n"

    async def never(message: MutableMapping[str, Any]) -> None:
        await asyncio.Event().wait()

    await EventStream(events(), gone.set, 0.01).stream_response(never)
    assert gone.is_set()


async def test_a_browser_gets_the_page_and_everybody_else_plain_text(api: Api) -> None:
    await api.put_mount()
    for headers in ({}, {"Accept": "*/*"}, {"Accept": "text/plain"}):
        plain = await api.http.get("/", headers=headers)
        assert plain.headers["content-type"].startswith("text/plain")
        assert "mounted" in plain.text
        assert SOURCE in plain.text
    page = await api.http.get("/", headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.startswith("<!doctype html>")
    assert page.headers["vary"] == plain.headers["vary"] == "Accept"


async def test_the_page_may_speak_with_its_daemon_only(api: Api) -> None:
    page = await api.http.get("/", headers=HTML)
    policy = dict(rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert policy["script-src"].startswith("'sha256-")
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "http" not in page.headers["content-security-policy"]
