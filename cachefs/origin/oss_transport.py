"""The SDK's HTTP client, replaced by ours: the SDK builds and signs requests and parses small answers, we carry them.

The SDK's own transport (requests, urllib3) copies bodies through Python in small blocks and knows no total deadline.
Its `HttpClient` is a public seam; behind it all requests of an origin share one pool and one set of errors.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any
from urllib.parse import urlsplit

from alibabacloud_oss_v2.types import HttpClient, HttpRequest, HttpResponse

from cachefs.origin.pool import Answer, ConnectionPool
from cachefs.origin.wire import Headers
from cachefs.types import Deadline


class SdkAnswer(HttpResponse):  # type: ignore[misc]  # the SDK carries no type information
    """An `Answer` as the SDK wants to see one."""

    def __init__(self, request: HttpRequest, answer: Answer, deadline: Deadline) -> None:
        self.answer = answer
        self._request = request
        self._deadline = deadline
        self._content: bytes | None = None
        self._closed = False

    @property
    def request(self) -> HttpRequest:
        """The request that was answered."""
        return self._request

    @property
    def status_code(self) -> int:
        """The HTTP status."""
        return self.answer.status

    @property
    def reason(self) -> str:
        """The words after the status."""
        return self.answer.reason

    @property
    def headers(self) -> Headers:
        """The header fields, with a Date whether or not there was one: the SDK fails on an error without it."""
        fields = self.answer.headers
        return fields if "date" in fields else Headers({"Date": formatdate(usegmt=True), **fields})

    @property
    def is_closed(self) -> bool:
        """Whether the connection was given back."""
        return self._closed

    @property
    def is_stream_consumed(self) -> bool:
        """Whether the body was read."""
        return self._content is not None

    @property
    def content(self) -> bytes:
        """The body; empty before `read`."""
        return self._content or b""

    def read(self) -> bytes:
        """Read a small body and give the connection back."""
        if self._content is None:
            try:
                self._content = self.answer.read_all(self._deadline)
            finally:
                self.close()
        return self._content

    def iter_bytes(self, **_: Any) -> Iterator[bytes]:  # noqa: ANN401  # the SDK's signature
        """The body as one piece: only small answers are read through the SDK."""
        yield self.read()

    def close(self) -> None:
        """Give the connection back."""
        self._closed = True
        self.answer.close()

    def __enter__(self) -> SdkAnswer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SdkTransport(HttpClient):  # type: ignore[misc]  # the SDK carries no type information
    """Carries the SDK's requests over one pool. `readwrite_timeout`, in seconds, bounds one whole exchange.

    `delayed_answers` counts what OSS slowed down on purpose.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._lock = threading.Lock()  # guards the one below
        self.delayed_answers = 0

    def send(self, request: HttpRequest, *, readwrite_timeout: float, stream: bool = False) -> HttpResponse:
        """Send a request without a body. The body of a failed answer, and of any when not `stream`, is read too."""
        deadline = Deadline.after(readwrite_timeout)
        url = urlsplit(request.url)
        target = f"{url.path or '/'}?{url.query}" if url.query else url.path or "/"
        answer = SdkAnswer(
            request, self._pool.request(request.method, url.netloc, target, request.headers, deadline), deadline
        )
        if "x-oss-qos-delay-time" in answer.headers:
            with self._lock:
                self.delayed_answers += 1
        if not stream:
            answer.read()
        return answer

    def open(self) -> None:
        """Nothing to open: the pool connects when it must."""

    def close(self) -> None:
        """The pool belongs to the origin, which closes it."""
