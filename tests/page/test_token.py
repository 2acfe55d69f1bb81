"""Behind a token the page asks for it as a password, which opens the page and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from benchmarks.screenshots.chromium import Browser
from mows.api.app import create_app
from mows.api.middleware import BearerToken
from mows.server import serving
from peer.rpc.token_file import TokenFile
from tests.unit.mows.twins import running_node

pytestmark = pytest.mark.expects_warnings  # refused requests are logged

TOKEN = "a-long-token"
HTML = {"Accept": "text/html"}


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Of an API with a token."""
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    async with running_node(tmp_path) as node:
        listener = socket.create_server(("127.0.0.1", 0))
        app = BearerToken(create_app(node.services), TokenFile(file, "api.token_file"))
        with listener:
            async with serving(app, listener, stop_timeout_seconds=5.0):
                try:
                    yield listener.getsockname()[1]
                finally:
                    node.services.stopping.set()


async def test_a_password_opens_the_page_and_nothing_else(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        refused = await http.get("/", headers=HTML)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith("Basic ")
        assert (await http.get("/", headers=HTML, auth=("anybody", "wrong"))).status_code == 401
        assert (await http.get("/", headers=HTML | {"Authorization": "Basic ***"})).status_code == 401
        assert (await http.get("/", headers=HTML, auth=("anybody", TOKEN))).status_code == 200
        for method, path in (("GET", "/v1/mounts"), ("POST", "/"), ("DELETE", "/v1/mounts/m"), ("GET", "/metrics")):
            answer = await http.request(method, path, auth=("anybody", TOKEN))
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
        assert (await http.get("/v1/mounts", headers={"Authorization": f"Bearer {TOKEN}"})).status_code == 200


async def test_a_browser_that_was_told_it_shows_the_page_live(port: int, browser: Browser) -> None:
    def look() -> str:
        browser.open(f"http://anybody:{TOKEN}@127.0.0.1:{port}/")
        browser.wait_for("document.querySelector('#connection')?.innerText === 'live'")
        return browser.text("#node")

    assert await asyncio.to_thread(look) == "node-a"
