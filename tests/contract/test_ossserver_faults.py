"""Faults on command do on the wire what they say, and stop when they are told to."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.ossserver import OssServer

DATA = bytes(i % 251 for i in range(1_000_000))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path, require_signature=False) as server:
        server.create_bucket("models")
        server.put("models", "k", DATA)
        yield server


def get(server: OssServer, headers: dict[str, str] | None = None, source: str = "127.0.0.1") -> tuple[int, bytes]:
    """Status and body of one GET on a connection of its own, from a source address."""
    address = (source, 0)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=address)) as client:
        client.request("GET", "/models/k", headers=headers or {})
        response = client.getresponse()
        return response.status, response.read()


def test_throttling(server: OssServer) -> None:
    server.faults.throttle(2, code="TotalQpsLimitExceeded")
    answers = [get(server) for _ in range(3)]
    assert [status for status, _ in answers] == [503, 503, 200]
    assert b"<Code>TotalQpsLimitExceeded</Code>" in answers[0][1]


def test_a_request_rate(server: OssServer) -> None:
    server.faults.limit_request_rate(0.001)
    assert [get(server)[0] for _ in range(3)] == [200, 503, 503]
    server.faults.limit_request_rate(None)
    assert get(server)[0] == 200


def test_refused_once(server: OssServer) -> None:
    server.faults.fail()
    assert [get(server)[0] for _ in range(2)] == [403, 200]


def test_latency(server: OssServer) -> None:
    server.faults.latency(0.2, count=1)
    began = time.monotonic()
    assert get(server)[0] == 200
    assert time.monotonic() - began >= 0.2


def test_a_reset_body(server: OssServer) -> None:
    server.faults.reset_body(100_000)
    with pytest.raises(ConnectionResetError):
        get(server)
    assert get(server) == (200, DATA)
    assert server.statistics().bytes_by_object["models/k"] == 100_000 + len(DATA)


def test_a_truncated_body(server: OssServer) -> None:
    server.faults.truncate_body(100_000)
    with pytest.raises(http.client.IncompleteRead) as caught:
        get(server)
    assert caught.value.partial == DATA[:100_000]
    assert get(server) == (200, DATA)


def test_a_flipped_byte(server: OssServer) -> None:
    server.faults.flip_byte(500_000)
    _, body = get(server)
    assert [at for at in range(len(DATA)) if body[at] != DATA[at]] == [500_000]
    assert get(server) == (200, DATA)


def test_a_wrong_content_range(server: OssServer) -> None:
    server.faults.wrong_content_range(7)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as client:
        client.request("GET", "/models/k", headers={"Range": "bytes=10-19"})
        response = client.getresponse()
        assert (response.read(), response.headers["Content-Range"]) == (DATA[10:20], "bytes 17-26/1000000")


def test_a_stalled_body_ends_with_the_server(server: OssServer) -> None:
    server.faults.stall_body(10, 3600)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as client:
        client.request("GET", "/models/k")
        response = client.getresponse()
        assert response.read(10) == DATA[:10]
        server.stop()  # does not wait for the hour
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()


def test_a_stall_passes(server: OssServer) -> None:
    server.faults.stall_body(10, 0.05)
    assert get(server) == (200, DATA)


def test_bandwidth_for_all(server: OssServer) -> None:
    server.faults.limit_bandwidth(total_bytes_per_second=5_000_000)
    began = time.monotonic()
    clients = [threading.Thread(target=get, args=(server,)) for _ in range(2)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert time.monotonic() - began >= 2 * len(DATA) / 5_000_000 - 0.1  # less the reserve
    assert server.statistics().bytes_sent == 2 * len(DATA)


def test_bandwidth_for_each_client(server: OssServer) -> None:
    server.faults.limit_bandwidth(per_client_bytes_per_second=5_000_000)
    began = time.monotonic()
    assert get(server) == (200, DATA)
    assert time.monotonic() - began >= len(DATA) / 5_000_000 - 0.1
    get(server, source="127.0.0.2")
    counted = server.statistics()
    assert counted.bytes_by_client == {"127.0.0.1": len(DATA), "127.0.0.2": len(DATA)}


def test_the_origin_goes_and_comes_back(server: OssServer) -> None:
    port = server.port
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as kept:
        kept.request("GET", "/models/k")
        kept.getresponse().read()
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            get(server)
        server.start()
        assert server.port == port
        assert get(server) == (200, DATA)
        assert kept.sock.recv(1) == b""


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with OssServer(tmp_path, require_signature=False) as server:
        server.create_bucket("models")
        server.put("models", "k", DATA)
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as idle:
            idle.connect()
            assert get(server) == (200, DATA)
            server.stop()
            assert set(threading.enumerate()) == before
    assert list(tmp_path.iterdir()) == []


def test_what_is_counted(server: OssServer) -> None:
    get(server, {"Range": "bytes=0-99"})
    get(server)
    counted = server.statistics()
    assert counted.requests == {"GetObject": 2}
    assert counted.bytes_by_object == {"models/k": 100 + len(DATA)}
    assert [(record.range, record.status, record.body_bytes) for record in counted.log] == [
        ("bytes=0-99", 206, 100),
        ("", 200, len(DATA)),
    ]
    server.reset_statistics()
    assert server.statistics().requests_total == 0


def test_files_are_linked_and_not_copied(server: OssServer, tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "sub"
    tree.mkdir(parents=True)
    (tree / "a b").write_bytes(DATA)
    (tree.parent / "empty").touch()
    assert server.put_tree("models", "m/", tree.parent) == ["m/empty", "m/sub/a b"]
    assert (tree / "a b").stat().st_nlink == 2
    server.put_file("models", "k", tree / "a b", part_bytes=300_000)
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)) as client:
        client.request("GET", "/models/k")
        response = client.getresponse()
        assert response.read() == DATA
        assert response.headers["ETag"].endswith('-4"')
        assert response.headers["x-oss-object-type"] == "Multipart"
