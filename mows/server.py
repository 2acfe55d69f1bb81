"""One HTTP server on one listening socket, on the running loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from mows.config import Tls

MOST_REQUESTS = 512
"""Connections and requests at once; others get 503. A node has one controller, one kubelet, one scraper and some
people: even with an event stream for each of a hundred prewarms that is plenty."""


class _Server(uvicorn.Server):
    """Leaves the signals to the daemon, which has more to stop than a server."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, *, tls: Tls | None = None, stop_timeout_seconds: float
) -> AsyncIterator[None]:
    """Serve `app` until the block ends; requests in progress get `stop_timeout_seconds` then.

    uvicorn closes its socket itself, so it is given a duplicate.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_REQUESTS,
        timeout_graceful_shutdown=max(1, round(stop_timeout_seconds)),
        ssl_certfile=_text(tls.cert) if tls else None,
        ssl_keyfile=_text(tls.key) if tls else None,
        ssl_ca_certs=_text(tls.ca) if tls and tls.ca else None,
        ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.ca else ssl.CERT_NONE,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listener.dup()]), name="http server")
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _text(path: Path) -> str:
    return str(path)
