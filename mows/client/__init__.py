"""A typed client of the REST API: `Client` for ordinary code, `AsyncClient` for asyncio.

::

    with Client(Endpoint(url="https://node-a:9301", token_file=Path("/etc/mows/api.token"))) as node:
        node.put_instance("qwen3-0", json.loads(Path("service.json").read_text()))
        node.wait_ready("qwen3-0")

Requests and answers are the models of `mows.api`, which the daemon uses too. What both clients have in common is free
of I/O: `calls` are the routes as values, `exchange` and `waiting` decide what is sent next. Imports nothing else of the
daemon, so that a controller needs httpx and pydantic only.
"""

from mows.client.awaitable import AsyncClient
from mows.client.blocking import Client
from mows.client.calls import BlobAction
from mows.client.endpoint import DEFAULT_SOCKET, Endpoint
from mows.client.errors import (
    ApiError,
    ClientError,
    Conflict,
    CredentialsUnreadable,
    DaemonTimeout,
    DaemonUnreachable,
    NoSpace,
    NotFound,
    NotMows,
    OriginFailed,
    Refused,
    Unauthorized,
    Unavailable,
    WaitTimeout,
    WorkFailed,
)
from mows.client.exchange import NO_RETRIES, Retries

__all__ = [
    "DEFAULT_SOCKET",
    "NO_RETRIES",
    "ApiError",
    "AsyncClient",
    "BlobAction",
    "Client",
    "ClientError",
    "Conflict",
    "CredentialsUnreadable",
    "DaemonTimeout",
    "DaemonUnreachable",
    "Endpoint",
    "NoSpace",
    "NotFound",
    "NotMows",
    "OriginFailed",
    "Refused",
    "Retries",
    "Unauthorized",
    "Unavailable",
    "WaitTimeout",
    "WorkFailed",
]
