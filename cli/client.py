"""The one door to the daemon: HTTP over a Unix socket, or over TCP with a token.

Every failure leaves here as a `CliError`; httpx is not seen outside.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from cli.endpoint import Endpoint
from cli.errors import ApiError, DaemonTimeout, DaemonUnreachable, NotMows

CONNECT_SECONDS = 5.0
"""A local socket answers at once or never; over TCP this is two SYN retransmissions."""
ANSWER_SECONDS = 150.0
"""Above the longest time the daemon allows itself, 120 s for listing a source, so that its own error is seen."""

Document = dict[str, Any]


class Connection:
    """HTTP to one daemon, closed by ``with``. Every method is one request, blocks, and raises `CliError`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        token = endpoint.token()
        if endpoint.url is None:
            _knock(endpoint)
        transport = None if endpoint.url else httpx.HTTPTransport(uds=str(endpoint.socket))
        self._http = httpx.Client(
            base_url=endpoint.url or "http://localhost",
            transport=transport,
            headers={"Authorization": f"Bearer {token}"} if token else {},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.close()

    def get(self, path: str, *, wait_seconds: float = 0.0, **params: str | int | bool) -> Document:
        """The JSON object at `path`. With `wait_seconds` the daemon may hold the answer back, as for `put`."""
        waiting = {"wait": wait_seconds} if wait_seconds else {}
        return self._call("GET", path, params={**params, **waiting}, extra_seconds=wait_seconds)

    def put(self, path: str, body: Mapping[str, Any], *, wait_seconds: float = 0.0) -> Document:
        """Put `body`; the daemon answers when the work is done, or after `wait_seconds` with the state by then."""
        return self._call("PUT", path, params={"wait": wait_seconds}, body=body, extra_seconds=wait_seconds)

    def post(self, path: str, body: Mapping[str, Any], *, extra_seconds: float = 0.0) -> Document:
        """Post `body`; `extra_seconds` for work that takes long."""
        return self._call("POST", path, body=body, extra_seconds=extra_seconds)

    def delete(self, path: str) -> bool:
        """Delete `path`. False when the daemon has accepted it, but something still keeps the thing alive."""
        return self._request("DELETE", path).status_code != httpx.codes.ACCEPTED

    def events(self, path: str) -> Iterator[Document]:
        """The data of each server-sent event at `path`, as it comes, until the daemon ends the stream."""
        # The daemon may have nothing to say for as long as an origin is slow: no read timeout on a stream.
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        with self._translated(), self._http.stream("GET", path, timeout=timeout) as response:
            if response.is_error:
                response.read()
            _raise_for_problem(response)
            for line in response.iter_lines():
                if line.startswith("data:"):
                    yield _decoded(line.removeprefix("data:"))

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | float | bool] | None = None,
        body: Mapping[str, Any] | None = None,
        extra_seconds: float = 0.0,
    ) -> Document:
        return _decoded(self._request(method, path, params=params, body=body, extra_seconds=extra_seconds).text)

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int | float | bool] | None = None,
        body: Mapping[str, Any] | None = None,
        extra_seconds: float = 0.0,
    ) -> httpx.Response:
        timeout = httpx.Timeout(ANSWER_SECONDS + extra_seconds, connect=CONNECT_SECONDS)
        with self._translated():
            response = self._http.request(method, path, params=params, json=body, timeout=timeout)
        _raise_for_problem(response)
        return response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn httpx's errors into ours."""
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise DaemonUnreachable(
                f"cannot reach the daemon: {self.endpoint}: {error}", hint=_unreachable_hint(self.endpoint)
            ) from error
        except httpx.TimeoutException as error:
            raise DaemonTimeout(
                f"no answer from the daemon: {self.endpoint}", hint="look at the daemon's log; try again"
            ) from error
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise DaemonUnreachable(
                f"lost the daemon: {self.endpoint}: {error}", hint="it stopped or was restarted: try again"
            ) from error


def _knock(endpoint: Endpoint) -> None:
    """Raise DaemonUnreachable unless somebody listens on the socket: sooner and clearer than an HTTP client says it."""
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(CONNECT_SECONDS)
        try:
            caller.connect(str(endpoint.socket))
        except OSError as error:
            raise DaemonUnreachable(
                f"cannot reach the daemon: {endpoint}: {error.strerror or error}", hint=_unreachable_hint(endpoint)
            ) from error


def _unreachable_hint(endpoint: Endpoint) -> str:
    if endpoint.url is None and endpoint.socket.exists() and not os.access(endpoint.socket, os.W_OK):
        return "this user may not use the socket: run as root or as a member of its group"
    return "start it with `mows daemon --config F`, or say where it listens with --socket or --url"


def _raise_for_problem(response: httpx.Response) -> None:
    if response.is_success:
        return
    problem = _decoded(response.text) if "json" in response.headers.get("content-type", "") else {}
    raise ApiError(response.status_code, problem)


def _decoded(text: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise NotMows(
            f"not an answer of MoWS: {text[:80]!r}", hint="something else listens there: check --socket, --url"
        )
    return document
