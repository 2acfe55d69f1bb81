"""ossfs, the fsspec file system for OSS, works against the OSS test server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oss2
import ossfs
import pytest

from benchmarks.ossserver import OssServer

KEY_ID, SECRET = "test-access-key-id", "test-access-key-secret"
DATA = bytes(i % 251 for i in range(300_000))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.create_bucket("models")
        server.put("models", "llama/config.json", b"{}")
        server.put("models", "llama/sub dir/a+b%é.bin", DATA)
        yield server


def files_of(server: OssServer, secret: str = SECRET) -> Iterator[Any]:
    files = ossfs.OSSFileSystem(endpoint=server.endpoint, key=KEY_ID, secret=secret, skip_instance_cache=True)
    yield files
    files._session.session.close()


@pytest.fixture
def files(server: OssServer) -> Iterator[Any]:
    yield from files_of(server)


@pytest.fixture
def intruder(server: OssServer) -> Iterator[Any]:
    yield from files_of(server, "wrong")


def test_listing(files: Any) -> None:
    assert files.ls("models/llama", detail=False) == ["models/llama/config.json", "models/llama/sub dir/"]
    found = files.find("models/llama", detail=True)
    assert {name: about["size"] for name, about in found.items()} == {
        "models/llama/config.json": 2,
        "models/llama/sub dir/a+b%é.bin": len(DATA),
    }


def test_buckets(files: Any) -> None:
    assert files.ls("/", detail=False) == ["/models"]


def test_about_one_file(files: Any) -> None:
    about = files.info("models/llama/config.json")
    assert (about["type"], about["size"]) == ("file", 2)
    assert files.isdir("models/llama")
    assert not files.exists("models/missing")


def test_reading(files: Any) -> None:
    name = "models/llama/sub dir/a+b%é.bin"
    assert files.cat_file(name) == DATA
    with files.open(name, "rb", block_size=50_000) as file:
        file.seek(123_456)
        assert file.read(1000) == DATA[123_456:124_456]


def test_writing(server: OssServer, files: Any) -> None:
    files.pipe_file("models/new/file", b"hello")
    assert files.cat_file("models/new/file") == b"hello"
    files.rm_file("models/new/file")
    assert "new/file" not in server.keys("models")


def test_a_wrong_secret(intruder: Any) -> None:
    for call in (intruder.cat_file, intruder.info, intruder.ls):
        # ossfs translates some errors of oss2 and lets others through.
        with pytest.raises((OSError, oss2.exceptions.OssError), match="SignatureDoesNotMatch"):
            call("models/llama/config.json")
