"""The client for asyncio: as `mows.client.blocking`, with methods to be awaited."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from mows.client import calls, waiting
from mows.client.call import Call, M, Reply, Stream, raise_for_problem
from mows.client.endpoint import Endpoint
from mows.client.errors import ClientError
from mows.client.exchange import Conversation, Habits, Pause, Retries, exchange
from mows.client.transport import STREAM_TIMEOUT, base_url, reply_of, request_of, translated

P = ParamSpec("P")
T = TypeVar("T")


def _call(make: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that sends what `make` makes."""

    @functools.wraps(make)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.converse(exchange(make(*args, **kwargs), self.habits))

    return method


def _wait(
    talk: Callable[Concatenate[Habits, P], Conversation[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    """A method that comes to the end of a longer conversation."""

    @functools.wraps(talk)
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.converse(talk(self.habits, *args, **kwargs))

    return method


def _stream(make: Callable[P, Stream[M]]) -> Callable[Concatenate[AsyncClient, P], AsyncGenerator[M, None]]:
    """A method that gives each event as it comes. Close it (`contextlib.aclosing`) to leave early."""

    @functools.wraps(make)
    def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[M, None]:
        return self.events_of(make(*args, **kwargs))

    return method


class AsyncClient:
    """The REST API of one daemon, closed by ``async with``. Nothing is sent before the first call.

    Methods, their arguments and answers are those of `mows.client.calls` and `mows.client.waiting`. Each raises
    `ClientError`, see `mows.client.errors`, after trying again where that can do no harm, see `mows.client.exchange`.
    Tasks of one loop may share one. Token files are read on the loop: they are small and local.
    """

    health = _call(calls.health)
    readiness = _call(calls.readiness)
    metrics = _call(calls.metrics)
    mounts = _call(calls.mounts)
    mount = _call(calls.mount)
    put_mount = _call(calls.put_mount)
    explanation = _call(calls.explanation)
    refresh_mount = _call(calls.refresh_mount)
    delete_mount = _call(calls.delete_mount)
    wait_mount = _wait(waiting.wait_mount)
    instances = _call(calls.instances)
    instance = _call(calls.instance)
    put_instance = _call(calls.put_instance)
    delete_instance = _call(calls.delete_instance)
    wait_ready = _wait(waiting.wait_ready)
    prewarms = _call(calls.prewarms)
    prewarm = _call(calls.prewarm)
    start_prewarm = _call(calls.start_prewarm)
    prewarm_events = _stream(calls.prewarm_events)
    events = _stream(calls.events)
    pause_prewarm = _call(calls.pause_prewarm)
    resume_prewarm = _call(calls.resume_prewarm)
    cancel_prewarm = _call(calls.cancel_prewarm)
    listing = _call(calls.listing)
    placement = _call(calls.placement)
    peers = _call(calls.peers)
    cache = _call(calls.cache)
    blobs = _call(calls.blobs)
    change_blobs = _call(calls.change_blobs)
    dump = _call(calls.dump)

    def __init__(
        self, endpoint: Endpoint | None = None, *, retries: Retries | None = None, habits: Habits | None = None
    ) -> None:
        """`habits` is for tests. Raises CredentialsUnreadable, and DaemonUnreachable for a URL that is none."""
        self.endpoint = endpoint or Endpoint()
        self.habits = habits or Habits(retries or Retries())
        verify, uds = self.endpoint.tls(), None if self.endpoint.url else str(self.endpoint.socket)
        with translated(self.endpoint):
            self._http = httpx.AsyncClient(
                base_url=base_url(self.endpoint), transport=httpx.AsyncHTTPTransport(verify=verify, uds=uds)
            )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Idempotent."""
        await self._http.aclose()

    async def converse(self, conversation: Conversation[T]) -> T:
        """Do what the conversation asks for until it has its answer."""
        try:
            step = next(conversation)
            while True:
                try:
                    reply = await self._do(step)
                except ClientError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(reply)
        except StopIteration as end:
            answer: T = end.value
            return answer

    async def events_of(self, stream: Stream[M]) -> AsyncGenerator[M, None]:
        """Each event as it comes, until the daemon ends the stream. Not tried again: ask anew where it matters."""
        headers = self.endpoint.headers()
        with translated(self.endpoint):
            async with self._http.stream("GET", stream.path, headers=headers, timeout=STREAM_TIMEOUT) as response:
                if response.is_error:
                    await response.aread()
                    raise_for_problem(reply_of(response))
                async for line in response.aiter_lines():
                    if (event := stream.event(line)) is not None:
                        yield event

    async def _do(self, step: Call[Any] | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        request = request_of(step, self.endpoint)
        with translated(self.endpoint):
            return reply_of(await self._http.request(**request))
