"""Bodies of requests: no caller can make the daemon hold more than one needs, or wait for it for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mows.api import middleware
from tests.contract.api_client import problem, running_api

TOO_MUCH = b"x" * (middleware.MOST_BODY_BYTES + 1)


@pytest.mark.expects_warnings
async def test_a_body_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        problem(await api.http.post("/v1/prewarms", content=TOO_MUCH), 413, "request_too_large")


@pytest.mark.expects_warnings
async def test_so_is_one_that_does_not_say_its_size(tmp_path: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield TOO_MUCH[: len(TOO_MUCH) // 2]

    async with running_api(tmp_path) as api:
        problem(await api.http.post("/v1/prewarms", content=parts()), 413, "request_too_large")


@pytest.mark.expects_warnings
async def test_one_that_does_not_come_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODY_SECONDS", 0.05)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(60)

    async with running_api(tmp_path) as api:
        answer = await api.http.post("/v1/prewarms", content=never())
    assert "no whole body within 0.05 s" in problem(answer, 413, "request_too_large")["detail"]


@pytest.mark.expects_warnings  # nothing lies there
async def test_one_that_comes_in_parts_is_put_together(tmp_path: Path) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b'{"sources": ["memory://buc'
        yield b'ket/none/"]}'

    async with running_api(tmp_path) as api:
        answer = await api.http.post("/v1/prewarms", content=parts(), headers={"Content-Type": "application/json"})
    assert answer.is_success
