"""The older official client oss2 works against the OSS test server, with V1 and V4 signatures."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import oss2
import pytest

from benchmarks.ossserver import OssServer

KEY_ID, SECRET, REGION = "test-access-key-id", "test-access-key-secret", "cn-hangzhou"
KEYS = ["a b+c%20d.bin", "a//b", "dir/é/模型.bin", "q?x=1#f"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.create_bucket("models")
        yield server


def bucket_of(server: OssServer, version: str, *keys: str) -> Any:
    provider = oss2.credentials.StaticCredentialsProvider(*(keys or (KEY_ID, SECRET)))
    auth = oss2.ProviderAuthV4(provider) if version == "v4" else oss2.ProviderAuth(provider)
    return oss2.Bucket(auth, server.endpoint, "models", region=REGION)


@pytest.fixture(params=["v4", "v1"])
def bucket(server: OssServer, request: pytest.FixtureRequest) -> Iterator[Any]:
    bucket = bucket_of(server, request.param)
    yield bucket
    bucket.session.session.close()


@pytest.mark.parametrize("key", KEYS)
def test_put_and_get(bucket: Any, key: str) -> None:
    assert bucket.put_object(key, b"hello").status == 200
    assert bucket.get_object(key).read() == b"hello"  # with its check of the CRC-64
    assert [item.key for item in oss2.ObjectIterator(bucket)] == [key]


def test_a_body_without_a_length(bucket: Any) -> None:
    # requests sends a generator in chunks.
    bucket.put_object("k", (piece for piece in (b"he", b"llo")))
    assert bucket.get_object("k").read() == b"hello"


def test_ranges(bucket: Any) -> None:
    bucket.put_object("k", b"0123456789")
    assert bucket.get_object("k", byte_range=(2, 4)).read() == b"234"
    whole = bucket.get_object("k", byte_range=(8, 20))
    assert (whole.status, whole.read()) == (200, b"0123456789")
    standard = {"x-oss-range-behavior": "standard"}
    cut = bucket.get_object("k", byte_range=(8, 20), headers=standard)
    assert (cut.status, cut.read()) == (206, b"89")
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        bucket.get_object("k", byte_range=(20, 30), headers=standard)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")


def test_head_and_meta(bucket: Any) -> None:
    etag = bucket.put_object("k", b"0123456789", headers={"x-oss-meta-who": "me"}).etag
    head = bucket.head_object("k")
    assert (head.content_length, head.etag, head.headers["x-oss-meta-who"]) == (10, etag, "me")
    assert bucket.get_object_meta("k").content_length == 10
    assert not bucket.object_exists("missing")
    with pytest.raises(oss2.exceptions.NotFound):
        bucket.head_object("missing")


@pytest.mark.parametrize("iterator", [oss2.ObjectIterator, oss2.ObjectIteratorV2])
def test_listing(server: OssServer, bucket: Any, iterator: Any) -> None:
    keys = [f"p/{number:04}" for number in range(250)]
    for key in keys:
        server.put("models", key, b"")
    assert [item.key for item in iterator(bucket, prefix="p/", max_keys=100)] == keys
    rolled = list(iterator(bucket, delimiter="/"))
    assert [(item.key, item.is_prefix()) for item in rolled] == [("p/", True)]


def test_multipart(bucket: Any, tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(bytes(i % 251 for i in range(300_000)))
    store = oss2.ResumableStore(root=str(tmp_path))
    limits = {"multipart_threshold": 1, "part_size": 102_400, "num_threads": 2}
    oss2.resumable_upload(bucket, "big", str(path), store=store, **limits)
    assert bucket.head_object("big").object_type == "Multipart"
    assert bucket.get_object("big").read() == path.read_bytes()


def test_deleting_many(server: OssServer, bucket: Any) -> None:
    for key in KEYS:
        server.put("models", key, b"")
    assert sorted(bucket.batch_delete_objects(KEYS).deleted_keys) == sorted(KEYS)
    assert server.keys("models") == []


def test_versions(server: OssServer, bucket: Any) -> None:
    server.create_bucket("models", versioning=True)
    old = bucket.put_object("k", b"old").versionid
    bucket.put_object("k", b"new")
    assert bucket.get_object("k", params={"versionId": old}).read() == b"old"
    listed = bucket.list_object_versions().versions
    assert [item.is_latest for item in listed] == [True, False]


@pytest.mark.parametrize("key", KEYS)
def test_signed_urls(server: OssServer, bucket: Any, key: str) -> None:
    server.put("models", key, b"hello")
    parts = urlsplit(bucket.sign_url("GET", key, 60, slash_safe=True))
    with closing(http.client.HTTPConnection(parts.netloc)) as connection:
        connection.request("GET", f"{parts.path}?{parts.query}")
        assert connection.getresponse().read() == b"hello"


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_temporary_credentials(server: OssServer, version: str) -> None:
    token = server.issue_sts_token(3600)
    bucket = bucket_of(server, version, token.access_key_id, token.access_key_secret, token.security_token)
    with closing(bucket.session.session):
        bucket.put_object("k", b"x")
        server.expire_sts_tokens()
        with pytest.raises(oss2.exceptions.ServerError) as caught:
            bucket.get_object("k")
    assert caught.value.code == "SecurityTokenExpired"


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_a_wrong_secret(server: OssServer, version: str) -> None:
    bucket = bucket_of(server, version, KEY_ID, "wrong")
    with closing(bucket.session.session):
        for call in (lambda: bucket.get_object("k"), lambda: bucket.put_object("k", b""), bucket.list_objects):
            with pytest.raises(oss2.exceptions.ServerError) as caught:
                call()
            assert (caught.value.status, caught.value.code) == (403, "SignatureDoesNotMatch")
