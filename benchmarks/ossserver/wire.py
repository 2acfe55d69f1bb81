"""HTTP/1.1 as far as an object server needs it: a request head, a body in either framing, a response head.

Written for few instructions per request: one ``recv`` usually brings the whole head, nothing is parsed twice, and the
body of an answer is not touched here at all (see server.py: the kernel sends it from the file).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote, unquote_plus

MAX_HEAD_BYTES = 64 * 1024
BODY_PIECE_BYTES = 1024 * 1024


class BadRequest(Exception):
    """Not HTTP/1.1 as we speak it; the connection cannot be used further."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """Request line and headers. Path, query and header values are decoded; header names are lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection kept."""
        return self.headers.get("connection", "").lower() != "close"


def parse_query(text: str) -> dict[str, str]:
    """Decoded pairs; a name without ``=`` has the empty value; ``+`` means a blank, as many clients write it."""
    pairs = (pair.partition("=") for pair in text.split("&") if pair)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def parse_head(head: bytes) -> RequestHead:
    """A head without its final empty line. BadRequest when it is none."""
    request_line, *lines = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = request_line.split(" ")
        fields = [line.split(":", 1) for line in lines]
        headers = {name.strip().lower(): value.strip() for name, value in fields}
    except ValueError as error:
        raise BadRequest(f"cannot understand {request_line!r}") from error
    if version != "HTTP/1.1":
        raise BadRequest(f"{version} is not spoken here")
    if target.startswith(("http://", "https://")):
        target = "/" + target.split("/", 3)[3] if target.count("/") > 2 else "/"
    path, _, query = target.partition("?")
    return RequestHead(method, unquote(path, errors="surrogateescape"), parse_query(query), headers)


def response_head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    """Status line and headers, ready to send."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace")


class RequestStream:
    """The receiving side of one connection: heads and bodies, one after the other. For one thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = b""

    def head(self) -> RequestHead | None:
        """The next request's head, or None when the client has hung up between requests."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequest(f"a head over {MAX_HEAD_BYTES} bytes")
            received = self._connection.recv(MAX_HEAD_BYTES)
            if not received:
                return None
            self._buffer += received
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return parse_head(head)

    def body(self, head: RequestHead) -> RequestBody:
        """The body that belongs to this head, not read yet."""
        return RequestBody(self, self._connection, head.headers)

    def read_some(self, limit_bytes: int) -> bytes:
        """One to ``limit_bytes`` bytes. BadRequest at the end of the connection."""
        piece = self._buffer[:limit_bytes] or self._connection.recv(min(limit_bytes, BODY_PIECE_BYTES))
        self._buffer = self._buffer[len(piece) :]
        if not piece:
            raise BadRequest("the connection ended inside a body")
        return piece

    def read_line(self) -> bytes:
        """Up to and without the next CRLF."""
        line = b""
        while not line.endswith(b"\r\n"):
            line += self.read_some(1)
        return line[:-2]


class RequestBody:
    """The body of one request, read once, in pieces. A client that waits for permission gets it at the first read."""

    def __init__(self, stream: RequestStream, connection: socket.socket, headers: Mapping[str, str]) -> None:
        self._stream = stream
        self._connection = connection
        self._chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._left_bytes = int(headers.get("content-length", "0") or "0")
        self._permission_due = headers.get("expect", "").lower() == "100-continue"
        self._pieces = self._read()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces that were not read yet."""
        return self._pieces

    def read(self) -> bytes:
        """The whole of it; for documents, not for objects."""
        return b"".join(self._pieces)

    def discard(self) -> bool:
        """Read what nobody read, so that the next head can follow. False when the client still waits to send it."""
        if self._permission_due and (self._chunked or self._left_bytes):
            return False
        for _ in self._pieces:
            pass
        return True

    def _read(self) -> Iterator[bytes]:
        if self._permission_due:
            self._permission_due = False
            self._connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._chunked:
            yield from self._read_chunks()
        else:
            yield from self._read_exactly(self._left_bytes)

    def _read_exactly(self, left_bytes: int) -> Iterator[bytes]:
        while left_bytes > 0:
            piece = self._stream.read_some(left_bytes)
            left_bytes -= len(piece)
            yield piece

    def _read_chunks(self) -> Iterator[bytes]:
        while size := int(self._stream.read_line().split(b";")[0], 16):
            yield from self._read_exactly(size)
            self._stream.read_line()
        while self._stream.read_line():
            pass
