"""HTTP/1.1, over a pair of sockets."""

import socket
from collections.abc import Iterator

import pytest

from benchmarks.ossserver.wire import BadRequest, RequestStream, parse_head, parse_query, response_head


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, server = socket.socketpair()
    with client, server:
        yield client, server


def test_a_head() -> None:
    head = parse_head(b"GET /b/a%20b%2B+c?list-type=2&prefix=a%2Fb+c&versions HTTP/1.1\r\nHost: h\r\nX-OSS-A:  1 ")
    assert (head.method, head.path) == ("GET", "/b/a b++c")
    assert head.query == {"list-type": "2", "prefix": "a/b c", "versions": ""}
    assert head.headers == {"host": "h", "x-oss-a": "1"}
    assert head.keep_alive


def test_a_head_with_a_whole_url() -> None:
    assert parse_head(b"GET http://h:1/b/k?x=1 HTTP/1.1").path == "/b/k"
    assert parse_head(b"GET http://h:1 HTTP/1.1").path == "/"


@pytest.mark.parametrize("head", [b"", b"GET /", b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nno colon", b"\x16\x03\x01"])
def test_no_head(head: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_head(head)


def test_an_empty_query() -> None:
    assert parse_query("") == {}


def test_two_requests_in_one_packet(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"PUT /b/1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b/2 HTTP/1.1\r\n\r\n")
    client.shutdown(socket.SHUT_WR)
    stream = RequestStream(server)
    first = stream.head()
    assert first is not None
    assert stream.body(first).read() == b"abc"
    second = stream.head()
    assert second is not None
    assert second.path == "/b/2"
    assert stream.head() is None


def test_a_body_in_chunks(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(
        b"PUT /b/1 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"
    )
    stream = RequestStream(server)
    head = stream.head()
    assert head is not None
    assert stream.body(head).read() == b"abcdefg"
    following = stream.head()
    assert following is not None
    assert following.path == "/2"


def test_a_body_that_waits_for_permission(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"PUT /b/1 HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    stream = RequestStream(server)
    head = stream.head()
    assert head is not None
    refused = stream.body(head)
    assert not refused.discard()  # nobody may be made to send what is not wanted
    client.sendall(b"abc")
    assert stream.body(head).read() == b"abc"
    assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_goes_away_in_a_body(pair: tuple[socket.socket, socket.socket]) -> None:
    client, server = pair
    client.sendall(b"PUT /b/1 HTTP/1.1\r\nContent-Length: 30\r\n\r\nabc")
    client.close()
    stream = RequestStream(server)
    head = stream.head()
    assert head is not None
    with pytest.raises(BadRequest):
        stream.body(head).read()


def test_an_answer() -> None:
    assert response_head(404, [("A", "1")]) == b"HTTP/1.1 404 Not Found\r\nA: 1\r\n\r\n"
