"""The one way this package talks to Redis: every wait bounded, one retry, passwords kept out of every text."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

KEYS = "mows:1"
"""Before every key. The number goes up when nodes of the old and the new layout cannot share one Redis."""

SOCKET_SECONDS = 0.5
"""To connect, and for each answer. All answers are small and Redis is near; entries live only some 2 s, so that a
longer wait would cost this node its entry."""


def connect(url: str) -> Redis:
    """A client for ``redis://`` or ``rediss://`` (TLS) with user, password and database in the URL. Connects later.

    A call that fails is tried once more at once (a connection that idled or a server that restarted); what comes after
    is the next refresh. Raises ValueError for another kind of URL.
    """
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=SOCKET_SECONDS,
        socket_connect_timeout=SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 1),
        max_connections=4,
        client_name="mows",
    )
    return client


def without_password(url: str) -> str:
    """`url` as it may be shown: neither user nor password nor options."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
