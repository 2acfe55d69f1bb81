"""One HTTP server on one listening socket, on the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from mows.api import caller
from mows.config import Tls
from mows.rotating_tls import RotatingContext

MOST_REQUESTS = 512
"""Connections and requests at once; others get 503. A node has one controller, one kubelet, one scraper and some
people: even with an event stream for each of a hundred prewarms that is plenty."""


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, which has more to stop than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


_CREDENTIALS = struct.Struct("3i")
"""The kernel's ``struct ucred``: process, user and group."""


class _Connection(H11Protocol):
    """Tells the application who is at the other end; see `mows.api.caller`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, caller.KEY: _caller(transport)}


def _caller(transport: asyncio.BaseTransport) -> str:
    peer: socket.socket = transport.get_extra_info("socket")
    if peer.family == socket.AF_UNIX:
        pid, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        return f"{uid}:{pid}"
    address = transport.get_extra_info("peername")[0]
    subject = (transport.get_extra_info("peercert") or {}).get("subject", ())
    names = [value for part in subject for key, value in part if key == "commonName"]
    return f"certificate:{names[0]}@{address}" if names else f"@{address}"


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, *, tls: Tls | None = None, stop_timeout_seconds: float
) -> AsyncIterator[None]:
    """Serve `app` until the block ends; requests in progress get `stop_timeout_seconds` then.

    uvicorn closes its socket itself, so it is given a duplicate. Raises OSError when the files of `tls` cannot be used.
    """
    context = RotatingContext(tls, "api.tls") if tls else None
    config = uvicorn.Config(
        app,
        http=_Connection,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=max(1, round(stop_timeout_seconds)),
        ssl_context_factory=None if context is None else lambda _config, _default: context,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener.dup()]), name="http server")
    try:
        yield
    finally:
        server.should_exit = True
        await task
