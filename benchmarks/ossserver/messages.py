"""What goes into a handler and what comes out of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate

from .documents import Value, render
from .objects import ObjectStore
from .uploads import Uploads
from .wire import RequestBody, RequestHead

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """An authenticated request: where it goes, what it asks, and its body, not read yet."""

    head: RequestHead
    bucket: str
    key: str
    body: RequestBody

    @property
    def query(self) -> Mapping[str, str]:
        """Decoded query parameters."""
        return self.head.query

    @property
    def headers(self) -> Headers:
        """Headers by lower-case name."""
        return self.head.headers


@dataclass(frozen=True, slots=True)
class FileBody:
    """Bytes of a file, sent by the kernel. Whoever sends it closes the descriptor."""

    fd: int
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: either ``body`` or ``file``. ``size`` is the Content-Length where no body goes with it (HEAD)."""

    status: int = 200
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    file: FileBody | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """What handlers work on. ``clock`` gives Unix seconds."""

    region: str
    store: ObjectStore
    uploads: Uploads
    clock: Callable[[], float] = time.time


Handler = Callable[[Service, Request], Response]


def document(root: str, nodes: Value, headers: Headers | None = None) -> Response:
    """200 with an XML document."""
    return Response(headers={"Content-Type": "application/xml", **(headers or {})}, body=render(root, nodes))


def http_date(seconds: float) -> str:
    """As Last-Modified and Date write it."""
    return formatdate(seconds, usegmt=True)
