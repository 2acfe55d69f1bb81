"""What of the OSS test server no client shows: the bytes of HTTP, error documents, addressing, anonymous access."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.ossserver import OssServer

DATA = bytes(i % 251 for i in range(1000))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path, require_signature=False) as server:
        server.create_bucket("models")
        server.put("models", "k", DATA)
        yield server


@pytest.fixture
def connection(server: OssServer) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        yield connection


class Answer:
    """A response, read."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def error(self) -> dict[str, str]:
        return {child.tag: child.text or "" for child in ElementTree.fromstring(self.body)}


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str] | None = None
) -> Answer:
    connection.request(method, path, headers=headers or {})
    return Answer(connection.getresponse())


def test_headers_of_an_object(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "GET", "/models/k", {"Range": "bytes=5-9"})
    assert (answer.status, answer.body) == (206, DATA[5:10])
    assert answer.headers["Content-Range"] == "bytes 5-9/1000"
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["x-oss-object-type"] == "Normal"
    assert answer.headers["x-oss-hash-crc64ecma"].isdigit()
    assert answer.headers["x-oss-server-time"].isdigit()
    assert len(answer.headers["x-oss-request-id"]) == 24
    assert answer.headers["ETag"].strip('"').isalnum()
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert answer.headers["Server"] == "AliyunOSS"


def test_many_requests_on_one_connection(server: OssServer, connection: http.client.HTTPConnection) -> None:
    for path, status in (("/models/k", 200), ("/models/missing", 404), ("/nowhere/k", 404), ("/models/k", 200)):
        assert ask(connection, "GET", path).status == status
    assert server.statistics().connections == 1


def test_an_error_document(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "GET", "/models/a%26b")
    error = answer.error()
    assert answer.headers["Content-Type"] == "application/xml"
    assert list(error) == ["Code", "Message", "RequestId", "HostId", "Key", "EC"]
    assert (error["Code"], error["Key"]) == ("NoSuchKey", "a&b")
    assert error["RequestId"] == answer.headers["x-oss-request-id"]
    assert error["EC"] == answer.headers["x-oss-ec"]


def test_head_has_its_error_in_a_header(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "HEAD", "/models/missing")
    assert (answer.status, answer.body) == (404, b"")
    assert b"<Code>NoSuchKey</Code>" in base64.b64decode(answer.headers["x-oss-err"])


def test_not_modified_has_no_body(connection: http.client.HTTPConnection) -> None:
    etag = ask(connection, "HEAD", "/models/k").headers["ETag"]
    answer = ask(connection, "GET", "/models/k", {"If-None-Match": etag})
    assert (answer.status, answer.body) == (304, b"")
    assert ask(connection, "GET", "/models/k").status == 200


def test_the_answer_can_be_told_to_say_other_headers(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "GET", "/models/k?response-content-type=text%2Fplain&response-cache-control=no-cache")
    assert answer.headers.get_all("Content-Type") == ["text/plain"]
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("host", ["models.oss-cn-hangzhou.aliyuncs.com", "models.localhost:8080"])
def test_virtual_host_addressing(connection: http.client.HTTPConnection, host: str) -> None:
    assert ask(connection, "GET", "/k", {"Host": host}).body == DATA
    assert ask(connection, "GET", "/models/k", {"Host": host}).status == 404


def test_a_host_of_another_region(connection: http.client.HTTPConnection) -> None:
    answer = ask(connection, "GET", "/k", {"Host": "models.oss-cn-shenzhen.aliyuncs.com"})
    assert (answer.status, answer.error()["Code"]) == (403, "AccessDenied")
    assert answer.error()["Endpoint"] == "oss-cn-hangzhou.aliyuncs.com"


def test_anonymous_requests_are_refused_by_default(tmp_path: Path) -> None:
    with OssServer(tmp_path) as server, closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        answer = ask(connection, "GET", "/models/k")
        assert (answer.status, answer.error()["Code"]) == (403, "AccessDenied")


def test_calls_that_are_not_here(connection: http.client.HTTPConnection) -> None:
    assert ask(connection, "GET", "/models/k?tagging").status == 501
    assert ask(connection, "PATCH", "/models/k").status == 405


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/models/?max-keys=0", "InvalidArgument"),
        ("/models/?list-type=2&continuation-token=%21", "InvalidArgument"),
        ("/models/?list-type=3", "InvalidArgument"),
        ("/models/?encoding-type=base64", "InvalidArgument"),
    ],
)
def test_arguments_that_are_none(connection: http.client.HTTPConnection, path: str, code: str) -> None:
    answer = ask(connection, "GET", path)
    assert (answer.status, answer.error()["Code"]) == (400, code)


def test_a_wrong_content_md5(server: OssServer, connection: http.client.HTTPConnection) -> None:
    connection.request("PUT", "/models/new", b"hello", {"Content-MD5": base64.b64encode(bytes(16)).decode()})
    answer = Answer(connection.getresponse())
    assert (answer.status, answer.error()["Code"]) == (400, "InvalidDigest")
    assert server.keys("models") == ["k"]


def test_a_refused_body_does_not_spoil_the_connection(connection: http.client.HTTPConnection) -> None:
    connection.request("PUT", "/nowhere/new", b"x" * 100_000)
    assert Answer(connection.getresponse()).error()["Code"] == "NoSuchBucket"
    assert ask(connection, "GET", "/models/k").body == DATA


def test_what_is_no_http(server: OssServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        assert connection.recv(100) == b""


def test_overwritten_while_it_is_sent(server: OssServer, connection: http.client.HTTPConnection) -> None:
    old, new = b"a" * 20_000_000, b"b" * 20_000_000  # more than the sockets buffer
    server.put("models", "big", old)
    connection.request("GET", "/models/big")
    response = connection.getresponse()
    first = response.read(1000)
    server.put("models", "big", new)
    assert first + response.read() == old
    assert ask(connection, "GET", "/models/big").body == new
