"""What both clients do with httpx in the same way: set it up, shape requests, and turn its errors into ours."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from mows.client.call import Call, Reply
from mows.client.endpoint import Endpoint
from mows.client.errors import DaemonTimeout, DaemonUnreachable

CONNECT_SECONDS = 5.0
"""A local socket answers at once or never; over TCP this is two SYN retransmissions."""
ANSWER_SECONDS = 150.0
"""Above the longest time the daemon allows itself, 120 s for listing a source, so that its own error is seen."""

STREAM_TIMEOUT = httpx.Timeout(None, connect=CONNECT_SECONDS)
"""The daemon may have nothing to say for as long as an origin is slow: no read timeout on a stream."""


def base_url(endpoint: Endpoint) -> str:
    """What paths are appended to."""
    return endpoint.url or "http://localhost"


def request_of(call: Call[Any], endpoint: Endpoint) -> dict[str, Any]:
    """The keywords of `httpx.Client.request`. Raises CredentialsUnreadable."""
    content = call.content()
    headers = endpoint.headers() | ({"Content-Type": "application/json"} if content is not None else {})
    timeout = httpx.Timeout(ANSWER_SECONDS + call.extra_seconds, connect=CONNECT_SECONDS)
    return {
        "method": call.method,
        "url": call.path,
        "params": dict(call.params),
        "content": content,
        "headers": headers,
        "timeout": timeout,
    }


def reply_of(response: httpx.Response) -> Reply:
    """What came back, once it has been read."""
    return Reply(response.status_code, response.headers.get("content-type", ""), response.content)


@contextmanager
def translated(endpoint: Endpoint) -> Iterator[None]:
    """Turn httpx's errors into ours."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        raise _unreachable(endpoint, str(error)) from error
    except httpx.TimeoutException as error:
        raise DaemonTimeout(
            f"no answer from the daemon: {endpoint}", hint="look at the daemon's log; try again"
        ) from error
    except httpx.TransportError as error:
        raise DaemonUnreachable(
            f"lost the daemon: {endpoint}: {error}", hint="it stopped or was restarted: try again", sent=True
        ) from error


def knock(endpoint: Endpoint) -> None:
    """Raise DaemonUnreachable unless somebody listens on the Unix socket. Blocks, but not for long.

    Sooner and clearer than httpx says it, which also leaves its own socket open when it is refused.
    """
    if endpoint.url is not None:
        return
    with socket.socket(socket.AF_UNIX) as caller:
        caller.settimeout(CONNECT_SECONDS)
        try:
            caller.connect(str(endpoint.socket))
        except OSError as error:
            raise _unreachable(endpoint, error.strerror or str(error)) from error


def _unreachable(endpoint: Endpoint, why: str) -> DaemonUnreachable:
    return DaemonUnreachable(
        f"cannot reach the daemon: {endpoint}: {why}", hint=_unreachable_hint(endpoint), sent=False
    )


def _unreachable_hint(endpoint: Endpoint) -> str:
    if endpoint.url is None and endpoint.socket.exists() and not os.access(endpoint.socket, os.W_OK):
        return "this user may not use the socket: run as root or as a member of its group"
    return "start it with `mows daemon --config F`, or name the socket or URL where it listens"
