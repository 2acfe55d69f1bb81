"""A node over twins, its API on a TCP port, and a browser that looks at its page."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from benchmarks.screenshots.chromium import Browser
from mows.api.app import create_app
from mows.recent_failures import Failure
from mows.server import serving
from tests.unit.mows.twins import Node, running_node

T = TypeVar("T")


@dataclass
class Site:
    """A served node. `failures` are what it shows as recent errors."""

    node: Node
    url: str
    failures: list[Failure] = field(default_factory=list)


async def aside(call: Callable[[], T]) -> T:
    """What blocks, such as a browser, must not keep the loop from serving the page."""
    return await asyncio.to_thread(call)


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running_node(tmp_path) as node:
        listener = socket.create_server(("127.0.0.1", 0))
        with listener:
            found = Site(node, f"http://127.0.0.1:{listener.getsockname()[1]}/")
            services = dataclasses.replace(node.services, failures=lambda: found.failures)
            async with serving(create_app(services), listener, stop_timeout_seconds=5.0):
                try:
                    yield found
                finally:
                    services.stopping.set()


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests of a file: starting it takes a second."""
    with Browser(tmp_path_factory.mktemp("chromium")) as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """With a wide window and a light system; whatever the page complains about fails the test."""
    chromium.resize(1180, 900)
    chromium.prefer("light")
    chromium.forget()
    yield chromium
    complaints = chromium.complaints()
    chromium.open("about:blank")
    assert complaints == []
