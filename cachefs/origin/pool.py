"""Keep-alive connections to one address, and the answers read from them."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType

from cachefs.errors import OriginProtocolError, OriginTimeout, OriginUnavailable
from cachefs.origin.wire import Address, Connection, Head, Headers, NoAnswer, format_request
from cachefs.types import Deadline

SMALL_BODY_BYTES = 16 << 20
"""More than any page of a listing (1,000 keys of 1,024 bytes each, percent-encoded)."""


@dataclass(frozen=True, slots=True)
class PoolStatistics:
    """Counts since the pool was made."""

    requests: int
    connections_opened: int
    stale_retries: int


class Answer:
    """The answer to one request. Close it: that gives the connection back, or drops it if bytes are left on it."""

    def __init__(self, pool: ConnectionPool, connection: Connection, head: Head, *, has_body: bool) -> None:
        self.status = head.status
        self.reason = head.reason
        self.headers: Headers = head.headers
        self._pool = pool
        self._connection = connection
        self._keep_alive = head.keep_alive
        self._chunked = has_body and "chunked" in head.headers.get("transfer-encoding", "").lower()
        self.length = _content_length(head.headers) if has_body and not self._chunked else 0
        self._complete = not has_body or (self.length == 0 and not self._chunked)
        self._closed = False

    def pieces(self, deadline: Deadline) -> Iterator[memoryview]:
        """The body in pieces of up to 1 MiB, each valid until the next. Raises OriginProtocolError if it ends early."""
        if self._chunked or self.length is None:
            raise OriginProtocolError(f"{self._connection.address}: an answer without a length")
        yield from self._connection.pieces(self.length, deadline)
        self._complete = True

    def read_all(self, deadline: Deadline, limit: int = SMALL_BODY_BYTES) -> bytes:
        """The whole body of a small answer."""
        if self._chunked:
            body = b"".join(self._chunks(limit, deadline))
        elif self.length is None:
            self._keep_alive = False
            body = self._connection.read_to_end(limit, deadline)
        elif self.length > limit:
            raise OriginProtocolError(
                f"{self._connection.address}: body of {self.length} bytes, at most {limit} expected"
            )
        else:
            body = b"".join(bytes(piece) for piece in self._connection.pieces(self.length, deadline))
        self._complete = True
        return body

    def _chunks(self, limit: int, deadline: Deadline) -> Iterator[bytes]:
        total = 0
        while size := _chunk_size(self._connection.read_line(deadline)):
            total += size
            if total > limit:
                raise OriginProtocolError(f"{self._connection.address}: body longer than {limit} bytes")
            yield from (bytes(piece) for piece in self._connection.pieces(size, deadline))
            self._connection.read_line(deadline)
        while self._connection.read_line(deadline):
            pass  # trailers

    def close(self) -> None:
        """Release the connection. Idempotent."""
        if not self._closed:
            self._closed = True
            self._pool.put_back(self._connection, reusable=self._complete and self._keep_alive)

    def __enter__(self) -> Answer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _content_length(headers: Headers) -> int | None:
    text = headers.get("content-length")
    if text is None:
        return None
    if not text.isdecimal():
        raise OriginProtocolError(f"Content-Length: {text!r}")
    return int(text)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    try:
        return int(digits, 16)
    except ValueError:
        raise OriginProtocolError(f"chunk size: {line[:40]!r}") from None


class ConnectionPool:
    """At most `max_connections` connections to one address; the one used last is used next. Thread-safe."""

    def __init__(
        self,
        address: Address,
        *,
        max_connections: int,
        connect_timeout_seconds: float,
        idle_timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_timeout_seconds = idle_timeout_seconds
        self._tls = tls or (ssl.create_default_context() if address.tls else None)
        self._slots = threading.BoundedSemaphore(max_connections)
        self._lock = threading.Lock()  # guards all below
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._closed = False
        self._requests = self._opened = self._stale_retries = 0

    def request(
        self, method: str, host: str, target: str, headers: Mapping[str, str | None], deadline: Deadline
    ) -> Answer:
        """Send a request and wait for the head of its answer.

        A kept connection that dies before the first byte of the answer is the normal end of keep-alive: the request,
        which only reads, is sent once more on a new one.
        """
        request = format_request(method, host, target, headers)
        if not self._slots.acquire(timeout=deadline.check(f"{self.address}")):
            raise OriginTimeout(f"{self.address}: all connections are busy")
        try:
            return self._exchange(method, request, deadline)
        except BaseException:
            self._slots.release()
            raise

    def put_back(self, connection: Connection, *, reusable: bool) -> None:
        """End the use of a connection that an answer held."""
        self._forget(connection, keep=reusable)
        self._slots.release()

    def statistics(self) -> PoolStatistics:
        """Counts so far."""
        with self._lock:
            return PoolStatistics(self._requests, self._opened, self._stale_retries)

    def close(self) -> None:
        """Close idle connections and abort busy ones; their users get OriginUnavailable."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for connection in self._busy:
                connection.abort()
        for connection in idle:
            connection.close()

    def _exchange(self, method: str, request: bytes, deadline: Deadline) -> Answer:
        connection = self._take_idle()
        if connection is not None:
            try:
                return self._attempt(connection, method, request, deadline)
            except NoAnswer:
                with self._lock:
                    self._stale_retries += 1
        return self._attempt(self._open(deadline), method, request, deadline)

    def _attempt(self, connection: Connection, method: str, request: bytes, deadline: Deadline) -> Answer:
        try:
            with self._lock:
                self._requests += 1
            connection.send(request, deadline)
            head = connection.receive_head(deadline)
            has_body = method != "HEAD" and head.status not in {204, 304}
            return Answer(self, connection, head, has_body=has_body)
        except BaseException:
            self._forget(connection, keep=False)
            raise

    def _take_idle(self) -> Connection | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                connection = self._idle.pop()
                self._busy.add(connection)
            if not connection.stale:
                return connection
            self._forget(connection, keep=False)

    def _open(self, deadline: Deadline) -> Connection:
        connection = Connection(
            self.address,
            deadline,
            connect_timeout_seconds=self._connect_timeout_seconds,
            idle_timeout_seconds=self._idle_timeout_seconds,
            tls=self._tls,
        )
        with self._lock:
            if not self._closed:
                self._opened += 1
                self._busy.add(connection)
                return connection
        connection.close()
        raise OriginUnavailable(f"{self.address}: closed")

    def _forget(self, connection: Connection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._closed:
                self._idle.append(connection)
                return
        connection.close()
