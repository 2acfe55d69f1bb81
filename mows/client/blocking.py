"""The client for ordinary code: each method blocks until there is an answer."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Generator
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import httpx

from mows.client import calls, waiting
from mows.client.call import Call, M, Reply, Stream, raise_for_problem
from mows.client.endpoint import Endpoint
from mows.client.errors import ClientError
from mows.client.exchange import Conversation, Habits, Pause, Retries, exchange
from mows.client.transport import STREAM_TIMEOUT, base_url, knock, reply_of, request_of, translated

P = ParamSpec("P")
T = TypeVar("T")


def _call(make: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method that sends what `make` makes."""

    @functools.wraps(make)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.converse(exchange(make(*args, **kwargs), self.habits))

    return method


def _wait(talk: Callable[Concatenate[Habits, P], Conversation[T]]) -> Callable[Concatenate[Client, P], T]:
    """A method that comes to the end of a longer conversation."""

    @functools.wraps(talk)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.converse(talk(self.habits, *args, **kwargs))

    return method


def _stream(make: Callable[P, Stream[M]]) -> Callable[Concatenate[Client, P], Generator[M, None, None]]:
    """A method that gives each event as it comes. Close it (`contextlib.closing`) to leave early."""

    @functools.wraps(make)
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> Generator[M, None, None]:
        return self.events_of(make(*args, **kwargs))

    return method


class Client:
    """The REST API of one daemon, closed by ``with``. Nothing is sent before the first call.

    Methods, their arguments and answers are those of `mows.client.calls` and `mows.client.waiting`. Each raises
    `ClientError`, see `mows.client.errors`, after trying again where that can do no harm, see `mows.client.exchange`.
    Threads may share one.
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
            self._http = httpx.Client(
                base_url=base_url(self.endpoint), transport=httpx.HTTPTransport(verify=verify, uds=uds)
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Idempotent."""
        self._http.close()

    def converse(self, conversation: Conversation[T]) -> T:
        """Do what the conversation asks for until it has its answer."""
        try:
            step = next(conversation)
            while True:
                try:
                    reply = self._do(step)
                except ClientError as error:
                    step = conversation.throw(error)
                else:
                    step = conversation.send(reply)
        except StopIteration as end:
            answer: T = end.value
            return answer

    def events_of(self, stream: Stream[M]) -> Generator[M, None, None]:
        """Each event as it comes, until the daemon ends the stream. Not tried again: ask anew where it matters."""
        knock(self.endpoint)
        headers = self.endpoint.headers()
        with (
            translated(self.endpoint),
            self._http.stream("GET", stream.path, headers=headers, timeout=STREAM_TIMEOUT) as response,
        ):
            if response.is_error:
                response.read()
                raise_for_problem(reply_of(response))
            for line in response.iter_lines():
                if (event := stream.event(line)) is not None:
                    yield event

    def _do(self, step: Call[Any] | Pause) -> Reply | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        knock(self.endpoint)
        request = request_of(step, self.endpoint)
        with translated(self.endpoint):
            return reply_of(self._http.request(**request))
