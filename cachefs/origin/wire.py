"""One HTTP/1.1 connection whose bodies are moved by the kernel: few, large receives into one reused buffer.

Why not ``http.client``: its body goes through a Python method per ``recv``, six to nine of them per MiB, with a
``poll`` before each when there is a timeout, and each gives the GIL away and has to get it back. Here the socket is
blocking, and one system call receives MiBs (`cachefs.receiving`; docs/design/0002-oss-client.md has the figures).
Timeouts are therefore the kernel's, ``SO_RCVTIMEO``: a Python timeout would make the socket non-blocking. TLS sockets
keep Python's timeouts, since OpenSSL hands out records of at most 16 KiB anyway.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cachefs.errors import OriginProtocolError, OriginTimeout, OriginUnavailable
from cachefs.ports import PIECE_BYTES
from cachefs.receiving import Receiver, wait_at_most
from cachefs.types import Deadline

HEAD_BYTES = 16 << 10
"""The longest head of an answer that is understood. Also the most a first receive can hold of the body."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a connection leads."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


class Headers(Mapping[str, str]):
    """Header fields by name, whatever its case. Of repeated fields the last one counts."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = {name.lower(): value for name, value in fields.items()}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer."""

    status: int
    reason: str
    headers: Headers
    keep_alive: bool


def parse_head(head: bytes) -> Head:
    """Understand everything before the empty line. Raises OriginProtocolError when it is not HTTP/1."""
    first, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status, _, reason = rest.partition(" ")
    if version not in {"HTTP/1.1", "HTTP/1.0"} or len(status) != 3 or not status.isdecimal():
        raise OriginProtocolError(f"not an HTTP/1 answer: {first[:80]!r}")
    headers = Headers({name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)})
    connection = headers.get("connection", "").lower()
    keep_alive = connection == "keep-alive" or (version == "HTTP/1.1" and connection != "close")
    return Head(int(status), reason, headers, keep_alive)


def format_request(method: str, host: str, target: str, headers: Mapping[str, str | None]) -> bytes:
    """The bytes of a request without a body. Raises OriginProtocolError for a field that would break the framing."""
    fields = [("Host", host), *((name, value) for name, value in headers.items() if value is not None)]
    for name, value in fields:
        if "\r" in value or "\n" in value:
            raise OriginProtocolError(f"header {name}: line break in {value!r}")
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    return "\r\n".join((*lines, "", "")).encode("latin-1")


class NoAnswer(OriginUnavailable):
    """The other side closed the connection before the first byte of an answer."""


class Connection:
    """One connection, used by one thread at a time; only `abort` may be called from another one.

    Every method raises OriginUnavailable, OriginTimeout, OriginProtocolError or DeadlineExceeded. After any of them the
    connection is good for nothing but `close`.
    """

    def __init__(
        self,
        address: Address,
        deadline: Deadline,
        *,
        connect_timeout_seconds: float,
        idle_timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.address = address
        self._idle_timeout_seconds = idle_timeout_seconds
        self._timeout_seconds = 0.0  # what the socket is set to now
        self._aborted = False
        self._filled = range(0)  # the part of the buffer that was received and not yet handed out
        self._buffer = memoryview(bytearray(PIECE_BYTES))
        self._socket = self._connect(min(connect_timeout_seconds, deadline.check(f"connect {address}")), tls)
        self._receiver = Receiver(self._socket)

    def _connect(self, timeout_seconds: float, tls: ssl.SSLContext | None) -> socket.socket:
        where = (self.address.host, self.address.port)
        try:
            plain = socket.create_connection(where, timeout_seconds)
        except TimeoutError:
            raise OriginTimeout(f"{self.address}: no connection within {timeout_seconds:.1f} s") from None
        except OSError as error:
            raise OriginUnavailable(f"{self.address}: {error.strerror or error}") from None
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self.address.tls:
            plain.settimeout(None)
            return plain
        try:
            return (tls or ssl.create_default_context()).wrap_socket(plain, server_hostname=self.address.host)
        except (OSError, ValueError) as error:
            plain.close()
            raise OriginUnavailable(f"{self.address}: TLS: {error}") from None

    @property
    def stale(self) -> bool:
        """Whether an idle connection was closed, or spoken on, by the other side."""
        try:
            self._socket.settimeout(0.0)
            self._socket.recv(1, 0 if self.address.tls else socket.MSG_PEEK)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._socket.settimeout(None)
            self._timeout_seconds = 0.0
            return False
        except OSError:
            return True
        return True

    def send(self, request: bytes, deadline: Deadline) -> None:
        """Send a whole request."""
        self._filled = range(0)
        self._arm(deadline)
        try:
            self._socket.sendall(request)
        except (BrokenPipeError, ConnectionResetError):
            raise NoAnswer(f"{self.address}: connection lost") from None
        except OSError as error:
            raise self._failure(error) from None

    def receive_head(self, deadline: Deadline) -> Head:
        """Wait for the head of the answer. NoAnswer when the connection ended before its first byte."""
        got = 0
        while (end := bytes(self._buffer[:got]).find(b"\r\n\r\n")) < 0:
            if got == HEAD_BYTES:
                raise OriginProtocolError(f"{self.address}: the answer's head is longer than {HEAD_BYTES} bytes")
            try:
                more = self._receive(self._buffer[got:HEAD_BYTES], deadline, wait_all=False)
            except OriginUnavailable as error:
                raise (error if got else NoAnswer(str(error))) from None
            if not more:
                raise NoAnswer(f"{self.address}: connection closed") if not got else self._short("head")
            got += more
        self._filled = range(end + 4, got)
        return parse_head(bytes(self._buffer[:end]))

    def pieces(self, length: int, deadline: Deadline) -> Iterator[memoryview]:
        """The next `length` bytes, as pieces of 1 MiB and a shorter last one, all in the one buffer."""
        left = length
        while left:
            piece = self._fill(min(left, PIECE_BYTES), deadline)
            left -= len(piece)
            yield piece

    def read_line(self, deadline: Deadline) -> bytes:
        """One line of a chunked body, without its end."""
        line = bytearray()
        while not line.endswith(b"\r\n"):
            if len(line) > HEAD_BYTES:
                raise OriginProtocolError(f"{self.address}: no end of line in a chunked body")
            line += self._fill(1, deadline)
        return bytes(line[:-2])

    def read_to_end(self, limit: int, deadline: Deadline) -> bytes:
        """What comes until the other side closes, at most `limit` bytes."""
        body = bytearray(self._buffer[self._filled.start : self._filled.stop])
        self._filled = range(0)
        while more := self._receive(self._buffer, deadline, wait_all=False):
            body += self._buffer[:more]
            if len(body) > limit:
                raise OriginProtocolError(f"{self.address}: body longer than {limit} bytes")
        return bytes(body)

    def abort(self) -> None:
        """Wake a thread that waits in here; its call fails with OriginUnavailable."""
        self._aborted = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # not connected any more

    def close(self) -> None:
        """Give the descriptor back."""
        self._socket.close()

    def _fill(self, wanted: int, deadline: Deadline) -> memoryview:
        """Exactly `wanted` bytes; first what came along with an earlier receive."""
        kept = min(len(self._filled), wanted)
        start = self._filled.start
        self._filled = range(start + kept, self._filled.stop)
        if kept == wanted:
            return self._buffer[start : start + kept]
        self._buffer[:kept] = self._buffer[start : start + kept]
        got = kept
        while got < wanted:
            more = self._receive(self._buffer[got:wanted], deadline, wait_all=True)
            if not more:
                raise self._short("body")
            got += more
        return self._buffer[:wanted]

    def _receive(self, into: memoryview, deadline: Deadline, *, wait_all: bool) -> int:
        self._arm(deadline)
        try:
            if self.address.tls:
                return self._socket.recv_into(into)
            if wait_all:
                return self._receiver.toward(into, self._timeout_seconds)
            return self._receiver.some(into)
        except OSError as error:
            raise self._failure(error) from None

    def _arm(self, deadline: Deadline) -> None:
        """Let the socket wait for the idle timeout, or for what is left before the deadline if that is less."""
        seconds = min(self._idle_timeout_seconds, deadline.check(f"{self.address}"))
        if seconds == self._timeout_seconds:
            return
        self._timeout_seconds = seconds
        if self.address.tls:
            self._socket.settimeout(seconds)
            return
        wait_at_most(self._socket, socket.SO_RCVTIMEO, seconds)
        wait_at_most(self._socket, socket.SO_SNDTIMEO, seconds)

    def _failure(self, error: OSError) -> OriginTimeout | OriginUnavailable:
        if isinstance(error, (BlockingIOError, TimeoutError, ssl.SSLWantReadError)):
            return OriginTimeout(f"{self.address}: silent for {self._timeout_seconds:.1f} s")
        return OriginUnavailable(f"{self.address}: {error.strerror or error}")

    def _short(self, part: str) -> OriginProtocolError | OriginUnavailable:
        if self._aborted:
            return OriginUnavailable(f"{self.address}: closed")
        return OriginProtocolError(f"{self.address}: the connection ended within the answer's {part}")
