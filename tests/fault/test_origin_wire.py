"""What the HTTP connection does when the other side does not keep to HTTP, or to its word."""

from __future__ import annotations

import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from cachefs.errors import DeadlineExceeded, OriginProtocolError, OriginTimeout, OriginUnavailable
from cachefs.origin.pool import ConnectionPool
from cachefs.origin.wire import Address
from cachefs.ports import PIECE_BYTES
from cachefs.types import Deadline
from tests.fault.scripted_server import HANG, RESET, Scripted, scripted

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def pool_to(server: Scripted, *, idle_timeout_seconds: float = 10, max_connections: int = 2) -> ConnectionPool:
    return ConnectionPool(
        Address("127.0.0.1", server.port, tls=False),
        max_connections=max_connections,
        connect_timeout_seconds=30,
        idle_timeout_seconds=idle_timeout_seconds,
    )


def ask(pool: ConnectionPool, *, method: str = "GET", seconds: float = 30) -> bytes:
    deadline = Deadline.after(seconds)
    with pool.request(method, "host", "/path", {"X-None": None, "X-Some": "value"}, deadline) as answer:
        return answer.read_all(deadline, limit=4 * PIECE_BYTES)


def test_requests_share_one_connection() -> None:
    with scripted([OK, OK, OK]) as server:
        pool = pool_to(server)
        assert [ask(pool) for _ in range(3)] == [b"hello"] * 3
        assert pool.statistics().connections_opened == 1
        pool.close()
    assert server.requests[0] == b"GET /path HTTP/1.1\r\nHost: host\r\nX-Some: value\r\n\r\n"


def test_connection_close_is_respected() -> None:
    with scripted([LAST], [OK]) as server:
        pool = pool_to(server)
        assert ask(pool) == ask(pool) == b"hello"
        assert pool.statistics().connections_opened == 2
        pool.close()


def test_a_kept_connection_that_dies_is_replaced_once() -> None:
    with scripted([OK, RESET], [OK]) as server:
        pool = pool_to(server)
        assert ask(pool) == ask(pool) == b"hello"
        assert pool.statistics().stale_retries == 1
        pool.close()


def test_a_new_connection_that_dies_is_an_error() -> None:
    with scripted([OK, RESET], [RESET], [OK]) as server:
        pool = pool_to(server)
        ask(pool)
        with pytest.raises(OriginUnavailable):
            ask(pool)
        assert ask(pool) == b"hello"
        pool.close()


def test_an_answer_that_was_not_read_to_its_end_costs_its_connection() -> None:
    with scripted([OK], [OK]) as server:
        pool = pool_to(server)
        pool.request("GET", "host", "/", {}, Deadline.after(30)).close()
        assert ask(pool) == b"hello"
        assert pool.statistics().connections_opened == 2
        pool.close()


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 2xx OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000000\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\nhello",
    ],
)
def test_what_is_not_http_is_an_error(said: bytes) -> None:
    with scripted([said], [OK]) as server:
        pool = pool_to(server)
        with pytest.raises(OriginProtocolError):
            ask(pool)
        assert ask(pool) == b"hello"
        pool.close()


@pytest.mark.parametrize(
    ("method", "said", "body"),
    [
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: x\r\n\r\n",
            b"hello",
        ),
        ("GET", b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + b"x" * 3_000_000, b"x" * 3_000_000),
    ],
)
def test_bodies_are_framed_in_every_way_http_knows(method: str, said: bytes, body: bytes) -> None:
    with scripted([said]) as server:
        pool = pool_to(server)
        assert ask(pool, method=method) == body
        pool.close()


def test_silence_ends_with_the_idle_timeout() -> None:
    with scripted([HANG], [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe" + HANG]) as server:
        pool = pool_to(server, idle_timeout_seconds=0.05)
        for _ in range(2):
            with pytest.raises(OriginTimeout, match="silent"):
                ask(pool)
        pool.close()


def test_silence_ends_with_the_deadline() -> None:
    with scripted([HANG]) as server:
        pool = pool_to(server)
        with pytest.raises((DeadlineExceeded, OriginTimeout)):
            ask(pool, seconds=0.05)
        pool.close()


def test_failures_do_not_use_up_the_connections() -> None:
    with scripted([RESET], [b"junk\r\n\r\n"], [RESET], [OK]) as server:
        pool = pool_to(server, max_connections=1)
        for _ in range(3):
            with pytest.raises((OriginUnavailable, OriginProtocolError)):
                ask(pool)
        assert ask(pool) == b"hello"
        pool.close()


def test_more_requests_than_connections_wait_until_their_deadline() -> None:
    with scripted([OK, OK]) as server:
        pool = pool_to(server, max_connections=1)
        held = pool.request("GET", "host", "/", {}, Deadline.after(30))
        with pytest.raises(OriginTimeout, match="busy"):
            ask(pool, seconds=0.05)
        assert held.read_all(Deadline.after(30)) == b"hello"
        held.close()
        assert ask(pool) == b"hello"
        pool.close()


def test_close_wakes_a_waiting_reader() -> None:
    with scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe" + HANG]) as server:
        pool = pool_to(server)
        answer = pool.request("GET", "host", "/", {}, Deadline.after(30))
        caught: list[BaseException] = []

        def read() -> None:
            try:
                answer.read_all(Deadline.after(30))
            except OriginUnavailable as error:
                caught.append(error)
            finally:
                answer.close()

        reader = threading.Thread(target=read)
        reader.start()
        pool.close()
        reader.join()
        assert len(caught) == 1
        with pytest.raises(OriginUnavailable, match="closed"):
            ask(pool)


def test_a_line_break_cannot_be_smuggled_into_a_request() -> None:
    with scripted([OK]) as server:
        pool = pool_to(server)
        with pytest.raises(OriginProtocolError, match="line break"):
            pool.request("GET", "host", "/", {"If-Match": '"x"\r\nX-Evil: 1'}, Deadline.after(30))
        assert ask(pool) == b"hello"
        pool.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate for ``localhost``, signed by itself."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


def tls_pool(server: Scripted, trusted: Path | None, *, idle_timeout_seconds: float = 10) -> ConnectionPool:
    return ConnectionPool(
        Address("localhost", server.port, tls=True),
        max_connections=1,
        connect_timeout_seconds=30,
        idle_timeout_seconds=idle_timeout_seconds,
        tls=ssl.create_default_context(cafile=trusted),
    )


def test_tls(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    big = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    with scripted([OK, big, HANG], [OK], tls=context) as server:
        pool = tls_pool(server, certificate, idle_timeout_seconds=2)
        assert ask(pool) == b"hello"
        assert ask(pool) == bytes(3_000_000)
        assert pool.statistics().connections_opened == 1
        with pytest.raises(OriginTimeout, match="silent"):
            ask(pool)
        assert ask(pool) == b"hello"
        pool.close()


def test_tls_of_a_stranger_is_refused(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with scripted([OK], tls=context) as server:
        pool = tls_pool(server, None)
        with pytest.raises(OriginUnavailable, match="TLS"):
            ask(pool)
        pool.close()
