"""What stands around every request."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.types import Message, Receive, Scope, Send

from mows.api.middleware import RequestId

SCOPE = {"type": "http", "method": "POST", "path": "/v1/mounts/m/refresh", "headers": []}


async def call_off(*, after_the_start: bool) -> list[Message]:
    """What a caller hears whose request is cancelled while it works, as uvicorn does at the end of its patience."""
    works, sent = asyncio.Event(), list[Message]()

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        if after_the_start:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        works.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        raise AssertionError("the body is not asked for")

    async def send(message: Message) -> None:
        sent.append(message)

    request = asyncio.create_task(RequestId(app)(dict(SCOPE), receive, send))
    await works.wait()
    request.cancel()
    await request
    return sent


@pytest.mark.expects_warnings
async def test_a_request_that_a_stop_calls_off_is_answered_in_one_line_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    start, body = await call_off(after_the_start=False)
    assert start["status"] == 503
    assert json.loads(body["body"])["code"] == "daemon_stopping"
    (record,) = caplog.records
    assert record.exc_info is None
    assert "POST /v1/mounts/m/refresh" in record.getMessage()


@pytest.mark.expects_warnings
async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    assert [message["type"] for message in await call_off(after_the_start=True)] == ["http.response.start"]
