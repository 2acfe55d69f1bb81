"""The OSS server of a run, as a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from benchmarks.node.oss import BUCKET, OssProcess


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    directory = tmp_path / "tree"
    directory.mkdir()
    (directory / "file").write_bytes(b"bytes")
    return directory


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssProcess]:
    with OssProcess(tmp_path / "oss", anonymous=True) as process:
        process.wait_ready()
        yield process


def test_it_serves_a_tree_and_counts_what_it_sent(server: OssProcess, tree: Path) -> None:
    assert server.put_tree("here", tree) == f"oss://{BUCKET}/here/"
    assert httpx.get(f"{server.endpoint}/{BUCKET}/here/file").content == b"bytes"
    assert server.bytes_sent() == len(b"bytes")


def test_it_wants_signatures_unless_told_otherwise(tmp_path: Path, tree: Path) -> None:
    with OssProcess(tmp_path / "oss") as server:
        server.wait_ready()
        server.put_tree("here", tree)
        assert httpx.get(f"{server.endpoint}/{BUCKET}/here/file").status_code == httpx.codes.FORBIDDEN


def test_the_daemon_is_told_where_it_is(server: OssProcess) -> None:
    origin = server.origin()
    assert origin["match"] == f"oss://{BUCKET}/"
    assert origin["endpoint"] == server.endpoint
    assert origin["region"] == "cn-hangzhou"
