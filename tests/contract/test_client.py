"""Both clients against a daemon that only talks: over its socket, over TLS with a token, and while it is away."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mows.api import models
from mows.client import (
    NO_RETRIES,
    AsyncClient,
    Client,
    Conflict,
    DaemonUnreachable,
    Endpoint,
    NotFound,
    Retries,
    WorkFailed,
)
from mows.mount_state import MountState
from tests.certificates import Authority
from tests.contract.fake_daemon import SOURCE, FakeDaemon, Refusal, Serving, mount, prewarm, serving

Ask = Callable[..., Awaitable[Any]]
REQUEST = models.MountRequest(source=SOURCE, mount_path="/models/qwen3")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("daemon") / "mows.sock"


@pytest.fixture(scope="module")
def listening(path: Path) -> Iterator[FakeDaemon]:
    yield from serving(path)


@pytest.fixture
def fake(listening: FakeDaemon) -> FakeDaemon:
    listening.reset()
    return listening


@contextlib.asynccontextmanager
async def asking(kind: str, endpoint: Endpoint, retries: Retries) -> AsyncIterator[Ask]:
    """Call methods of either client by name."""
    if kind == "async":
        async with AsyncClient(endpoint, retries=retries) as client:
            yield lambda name, *arguments, **more: getattr(client, name)(*arguments, **more)
    else:
        with Client(endpoint, retries=retries) as blocking:
            yield lambda name, *arguments, **more: asyncio.to_thread(getattr(blocking, name), *arguments, **more)


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def ask(kind: str, path: Path) -> AsyncIterator[Ask]:
    async with asking(kind, Endpoint(socket=path), NO_RETRIES) as asked:
        yield asked


async def test_requests_and_answers_are_the_daemons_models(ask: Ask, fake: FakeDaemon) -> None:
    fake.mount_script = [mount(MountState.MOUNTED)]
    assert await ask("put_mount", "qwen3", REQUEST, wait_seconds=5.0) == mount(MountState.MOUNTED)
    assert fake.requests == [
        ("PUT", "/v1/mounts/qwen3?wait=5.0", {"source": SOURCE, "mount_path": "/models/qwen3"}),
    ]
    assert (await ask("listing", SOURCE, hidden=True)).source == SOURCE
    assert fake.requests[-1][1].endswith("&hidden=true&limit=10000")


async def test_problems_are_raised(ask: Ask, fake: FakeDaemon) -> None:
    fake.refusal = Refusal(409, "mount_conflict", "busy", "choose another id")
    with pytest.raises(Conflict, match="busy") as raised:
        await ask("put_mount", "qwen3", REQUEST)
    assert (raised.value.code, raised.value.hint) == ("mount_conflict", "choose another id")


async def test_whether_it_is_gone(ask: Ask, fake: FakeDaemon) -> None:
    assert await ask("delete_mount", "qwen3") is True
    fake.files_are_open = True
    assert await ask("delete_mount", "qwen3") is False


async def test_waiting_ends_with_the_reason(ask: Ask, fake: FakeDaemon) -> None:
    error = models.WorkFailure(code="origin_denied", message="AccessDenied", hint="check the keys")
    fake.mount_script = [mount(MountState.MOUNTING), mount(MountState.FAILED, error=error)]
    with pytest.raises(WorkFailed, match="AccessDenied"):
        await ask("wait_mount", "qwen3")
    assert [request[1] for request in fake.requests] == ["/v1/mounts/qwen3?wait=10.0"] * 2


async def test_a_daemon_that_is_not_there(kind: str, tmp_path: Path) -> None:
    async with asking(kind, Endpoint(socket=tmp_path / "none"), NO_RETRIES) as ask:
        with pytest.raises(DaemonUnreachable, match="cannot reach the daemon") as raised:
            await ask("health")
    assert not raised.value.sent


async def test_a_daemon_that_comes_back_is_waited_for(kind: str, tmp_path: Path) -> None:
    where = tmp_path / "mows.sock"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(where))  # as a daemon that was killed leaves it
    async with asking(kind, Endpoint(socket=where), Retries(total_seconds=60.0)) as ask:
        health = asyncio.ensure_future(ask("health"))
        await asyncio.sleep(0)
        where.unlink()
        with Serving(FakeDaemon(), where):
            assert (await health).node == "node-a"


def test_events_come_one_by_one(path: Path, fake: FakeDaemon) -> None:
    fake.prewarm_streams = [[prewarm("warming"), prewarm("warm")], Refusal(404, "prewarm_not_found", "none")]
    with Client(Endpoint(socket=path)) as client:
        assert [one.state for one in client.prewarm_events("p1")] == ["warming", "warm"]
        with pytest.raises(NotFound):
            next(client.prewarm_events("p1"))


async def test_events_come_one_by_one_to_a_task(path: Path, fake: FakeDaemon) -> None:
    fake.prewarm_streams = [[prewarm("warming"), prewarm("warm")], [prewarm("warming")] * 3]
    async with AsyncClient(Endpoint(socket=path)) as client:
        assert [one.state async for one in client.prewarm_events("p1")] == ["warming", "warm"]
        events = client.prewarm_events("p1")
        assert (await anext(events)).state == "warming"
        await events.aclose()


async def test_over_tls_only_a_daemon_of_the_right_authority_gets_the_token(
    kind: str, tmp_path: Path, unused_tcp_port: int
) -> None:
    ours = Authority(tmp_path)
    url, ca_file = f"https://127.0.0.1:{unused_tcp_port}", ours.cert
    fake = FakeDaemon()
    with Serving(fake, None, port=unused_tcp_port, pair=ours.sign("node-a")):
        async with asking(kind, Endpoint(url=url, token="secret", ca_file=ca_file), NO_RETRIES) as ask:
            assert (await ask("health")).node == "node-a"
        async with asking(kind, Endpoint(url=url, token="secret"), NO_RETRIES) as ask:
            with pytest.raises(DaemonUnreachable, match=r"(?i)certificate.verify.failed"):
                await ask("health")
    assert fake.tokens == ["Bearer secret"]
