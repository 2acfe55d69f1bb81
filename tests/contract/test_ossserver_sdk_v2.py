"""The official client alibabacloud-oss-v2 works against the OSS test server, with either signature."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import alibabacloud_oss_v2 as oss
import pytest
from alibabacloud_oss_v2 import retry

from benchmarks.ossserver import OssServer

KEY_ID, SECRET = "test-access-key-id", "test-access-key-secret"
KEYS = ["a b+c%20d.bin", "a//b", "dir/é/模型.bin", "dir/x&<y>", "q?x=1#f", "~'()*!", "back\\slash"]
PART = 128 * 1024


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OssServer]:
    with OssServer(tmp_path) as server:
        server.create_bucket("models")
        yield server


def client_of(
    server: OssServer,
    version: str = "v4",
    *,
    keys: tuple[str, str, str | None] = (KEY_ID, SECRET, None),
    region: str = "cn-hangzhou",
) -> Any:
    config = oss.config.load_default()
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(*keys)
    config.region = region
    config.endpoint = server.endpoint
    config.signature_version = version
    config.retryer = retry.NopRetryer()
    config.disable_upload_crc64_check = False
    return oss.Client(config)


@pytest.fixture(params=["v4", "v1"])
def client(server: OssServer, request: pytest.FixtureRequest) -> Any:
    return client_of(server, request.param)


def service_error(call: object, *arguments: object) -> Any:
    assert callable(call)
    with pytest.raises(oss.exceptions.OperationError) as caught:
        call(*arguments)
    return caught.value.unwrap()


@pytest.mark.parametrize("key", KEYS)
def test_put_and_get(server: OssServer, client: Any, key: str) -> None:
    put = client.put_object(oss.PutObjectRequest(bucket="models", key=key, body=b"hello"))
    assert put.etag.strip('"') == hashlib.md5(b"hello").hexdigest().upper()
    got = client.get_object(oss.GetObjectRequest(bucket="models", key=key))
    assert got.body.read() == b"hello"
    assert got.hash_crc64 == put.hash_crc64
    assert server.keys("models") == [key]


def test_an_empty_object(client: Any) -> None:
    client.put_object(oss.PutObjectRequest(bucket="models", key="empty", body=b""))
    got = client.get_object(oss.GetObjectRequest(bucket="models", key="empty"))
    assert (got.content_length, got.body.read(), got.hash_crc64) == (0, b"", "0")


def test_head_and_meta(server: OssServer, client: Any) -> None:
    etag = server.put("models", "k", b"x" * 1000, headers={"content-type": "text/plain", "x-oss-meta-who": "me"})
    head = client.head_object(oss.HeadObjectRequest(bucket="models", key="k"))
    assert (head.content_length, head.etag, head.content_type) == (1000, f'"{etag}"', "text/plain")
    assert (head.object_type, head.storage_class) == ("Normal", "Standard")
    assert head.metadata == {"who": "me"}
    meta = client.get_object_meta(oss.GetObjectMetaRequest(bucket="models", key="k"))
    assert (meta.content_length, meta.etag) == (1000, f'"{etag}"')
    assert meta.last_modified == head.last_modified


@pytest.mark.parametrize(
    ("header", "behaviour", "status", "length"),
    [
        ("bytes=10-19", None, 206, 10),
        ("bytes=10-19", "standard", 206, 10),
        ("bytes=990-2000", None, 200, 1000),
        ("bytes=990-2000", "standard", 206, 10),
        ("bytes=-10", "standard", 206, 10),
        ("bytes=2000-", None, 200, 1000),
    ],
)
def test_ranges(server: OssServer, client: Any, header: str, behaviour: str | None, status: int, length: int) -> None:
    server.put("models", "k", bytes(i % 251 for i in range(1000)))
    request = oss.GetObjectRequest(bucket="models", key="k", range_header=header, range_behavior=behaviour)
    got = client.get_object(request)
    assert (got.status_code, len(got.body.read())) == (status, length)


def test_a_range_outside_is_refused_if_asked_for(server: OssServer, client: Any) -> None:
    server.put("models", "k", b"x")
    request = oss.GetObjectRequest(bucket="models", key="k", range_header="bytes=5-", range_behavior="standard")
    error = service_error(client.get_object, request)
    assert (error.status_code, error.code) == (416, "InvalidRange")


def test_conditions(server: OssServer, client: Any) -> None:
    etag = server.put("models", "k", b"x")
    get = client.get_object
    assert get(oss.GetObjectRequest(bucket="models", key="k", if_match=f'"{etag}"')).status_code == 200
    error = service_error(get, oss.GetObjectRequest(bucket="models", key="k", if_match='"other"'))
    assert (error.status_code, error.code) == (412, "PreconditionFailed")
    error = service_error(get, oss.GetObjectRequest(bucket="models", key="k", if_none_match=f'"{etag}"'))
    assert error.status_code == 304


def test_listing_has_pages(server: OssServer, client: Any) -> None:
    keys = [f"p/{number:05}" for number in range(2_345)]
    for key in keys:
        server.put("models", key, b"")
    server.put("models", "q", b"")
    for paginator, request in (
        (client.list_objects_paginator(), oss.ListObjectsRequest(bucket="models", prefix="p/", max_keys=1000)),
        (client.list_objects_v2_paginator(), oss.ListObjectsV2Request(bucket="models", prefix="p/", max_keys=1000)),
    ):
        pages = list(paginator.iter_page(request))
        assert [len(page.contents) for page in pages] == [1000, 1000, 345]
        assert [item.key for page in pages for item in page.contents] == keys


@pytest.mark.parametrize("encoding", ["url", None])
def test_listing_with_a_delimiter(server: OssServer, client: Any, encoding: str | None) -> None:
    for key in KEYS:
        server.put("models", key, b"12345")
    request = oss.ListObjectsV2Request(bucket="models", delimiter="/", encoding_type=encoding, fetch_owner=True)
    page = client.list_objects_v2(request)
    assert [item.prefix for item in page.common_prefixes] == ["a/", "dir/"]
    assert [item.key for item in page.contents] == sorted(key for key in KEYS if "/" not in key)
    assert page.key_count == len(page.contents) + 2
    first = page.contents[0]
    assert (first.size, first.object_type, first.storage_class) == (5, "Normal", "Standard")
    assert first.etag == '"827CCB0EEA8A706C4C34A16891F84E7B"'
    assert first.owner.id


def test_listing_from_a_start(server: OssServer, client: Any) -> None:
    for key in ("a", "b", "c"):
        server.put("models", key, b"")
    page = client.list_objects_v2(oss.ListObjectsV2Request(bucket="models", start_after="a"))
    assert [item.key for item in page.contents] == ["b", "c"]
    page = client.list_objects(oss.ListObjectsRequest(bucket="models", marker="b"))
    assert [item.key for item in page.contents] == ["c"]


def test_deleting(server: OssServer, client: Any) -> None:
    for key in KEYS:
        server.put("models", key, b"")
    client.delete_object(oss.DeleteObjectRequest(bucket="models", key=KEYS[0]))
    client.delete_object(oss.DeleteObjectRequest(bucket="models", key="was never there"))
    request = oss.DeleteMultipleObjectsRequest(
        bucket="models", encoding_type="url", objects=[oss.DeleteObject(key=key) for key in KEYS[1:]]
    )
    gone = client.delete_multiple_objects(request)
    assert [item.key for item in gone.deleted_objects] == KEYS[1:]
    assert server.keys("models") == []


def test_multipart_upload(server: OssServer, client: Any, tmp_path: Path) -> None:
    data = bytes(i % 253 for i in range(3 * PART + 17))
    path = tmp_path / "data"
    path.write_bytes(data)
    client.uploader(part_size=PART, parallel_num=3).upload_file(
        oss.PutObjectRequest(bucket="models", key="big"), str(path)
    )
    head = client.head_object(oss.HeadObjectRequest(bucket="models", key="big"))
    assert (head.content_length, head.object_type) == (len(data), "Multipart")
    assert head.etag.endswith('-4"')
    target = tmp_path / "target"
    # The downloader compares the CRC-64 of the whole with the header.
    client.downloader(part_size=PART, enable_crc=True).download_file(
        oss.GetObjectRequest(bucket="models", key="big"), str(target)
    )
    assert target.read_bytes() == data


def test_multipart_upload_by_hand(client: Any) -> None:
    begun = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(bucket="models", key="k +/é"))
    upload = {"bucket": "models", "key": "k +/é", "upload_id": begun.upload_id}
    client.upload_part(oss.UploadPartRequest(**upload, part_number=1, body=b"1" * PART))
    client.upload_part(oss.UploadPartRequest(**upload, part_number=2, body=b"2"))
    parts = client.list_parts(oss.ListPartsRequest(**upload)).parts
    assert [(part.part_number, part.size) for part in parts] == [(1, PART), (2, 1)]
    uploads = client.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket="models")).uploads
    assert [(one.key, one.upload_id) for one in uploads] == [("k +/é", begun.upload_id)]
    client.complete_multipart_upload(oss.CompleteMultipartUploadRequest(**upload, complete_all="yes"))
    assert client.get_object(oss.GetObjectRequest(bucket="models", key="k +/é")).content_length == PART + 1
    error = service_error(client.list_parts, oss.ListPartsRequest(**upload))
    assert error.code == "NoSuchUpload"


def test_aborting_a_multipart_upload(client: Any) -> None:
    begun = client.initiate_multipart_upload(oss.InitiateMultipartUploadRequest(bucket="models", key="k"))
    client.abort_multipart_upload(oss.AbortMultipartUploadRequest(bucket="models", key="k", upload_id=begun.upload_id))
    assert not client.list_multipart_uploads(oss.ListMultipartUploadsRequest(bucket="models")).uploads


def test_versions(client: Any) -> None:
    configuration = oss.VersioningConfiguration(status="Enabled")
    client.put_bucket_versioning(
        oss.PutBucketVersioningRequest(bucket="models", versioning_configuration=configuration)
    )
    assert client.get_bucket_versioning(oss.GetBucketVersioningRequest(bucket="models")).version_status == "Enabled"
    old = client.put_object(oss.PutObjectRequest(bucket="models", key="k", body=b"old"))
    new = client.put_object(oss.PutObjectRequest(bucket="models", key="k", body=b"new"))
    marker = client.delete_object(oss.DeleteObjectRequest(bucket="models", key="k"))
    assert marker.delete_marker
    got = client.get_object(oss.GetObjectRequest(bucket="models", key="k", version_id=old.version_id))
    assert (got.body.read(), got.version_id) == (b"old", old.version_id)
    listed = client.list_object_versions(oss.ListObjectVersionsRequest(bucket="models"))
    assert [(item.version_id, item.is_latest) for item in listed.version] == [
        (new.version_id, False),
        (old.version_id, False),
    ]
    assert [(item.version_id, item.is_latest) for item in listed.delete_marker] == [(marker.version_id, True)]
    error = service_error(client.head_object, oss.HeadObjectRequest(bucket="models", key="k"))
    assert (error.status_code, error.code) == (404, "NoSuchKey")


def test_buckets(client: Any) -> None:
    client.put_bucket(oss.PutBucketRequest(bucket="another"))
    assert [bucket.name for bucket in client.list_buckets(oss.ListBucketsRequest()).buckets] == ["another", "models"]
    info = client.get_bucket_info(oss.GetBucketInfoRequest(bucket="another")).bucket_info
    assert (info.name, info.location) == ("another", "oss-cn-hangzhou")
    assert client.get_bucket_location(oss.GetBucketLocationRequest(bucket="another")).location == "oss-cn-hangzhou"
    client.delete_bucket(oss.DeleteBucketRequest(bucket="another"))
    assert not client.is_bucket_exist("another")
    assert client.is_bucket_exist("models")


@pytest.mark.parametrize("key", KEYS)
def test_signed_urls(server: OssServer, client: Any, key: str) -> None:
    server.put("models", key, b"hello")
    signed = client.presign(oss.GetObjectRequest(bucket="models", key=key), expires=datetime.timedelta(minutes=1))
    with urllib.request.urlopen(signed.url) as response:
        assert response.read() == b"hello"
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(signed.url.replace("ignature=", "ignature=0"))
    with caught.value as refused:
        assert b"<Code>SignatureDoesNotMatch</Code>" in refused.read()
    server.faults.offset_clock(120)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(signed.url)
    with caught.value as refused:
        assert b"Request has expired." in refused.read()


def test_signed_url_to_put(client: Any) -> None:
    signed = client.presign(oss.PutObjectRequest(bucket="models", key="k"), expires=datetime.timedelta(minutes=1))
    # Not urllib: that adds a content type of its own, which would have to be signed.
    parts = urllib.parse.urlsplit(signed.url)
    with closing(http.client.HTTPConnection(parts.netloc)) as connection:
        connection.request("PUT", f"{parts.path}?{parts.query}", b"hello")
        assert connection.getresponse().status == 200
    assert client.get_object(oss.GetObjectRequest(bucket="models", key="k")).body.read() == b"hello"


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_a_wrong_secret(server: OssServer, version: str) -> None:
    client = client_of(server, version, keys=(KEY_ID, "wrong", None))
    for call, request in (
        (client.list_objects_v2, oss.ListObjectsV2Request(bucket="models")),
        (client.head_object, oss.HeadObjectRequest(bucket="models", key="k")),
        (client.get_object, oss.GetObjectRequest(bucket="models", key="k")),
        (client.put_object, oss.PutObjectRequest(bucket="models", key="k", body=b"x")),
    ):
        error = service_error(call, request)
        assert (error.status_code, error.code) == (403, "SignatureDoesNotMatch")
    assert server.keys("models") == []


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_an_unknown_access_key(server: OssServer, version: str) -> None:
    client = client_of(server, version, keys=("nobody", SECRET, None))
    error = service_error(client.list_objects, oss.ListObjectsRequest(bucket="models"))
    assert (error.status_code, error.code) == (403, "InvalidAccessKeyId")


def test_a_wrong_region(server: OssServer) -> None:
    client = client_of(server, region="cn-shenzhen")
    error = service_error(client.list_objects, oss.ListObjectsRequest(bucket="models"))
    assert (error.status_code, error.code, error.ec) == (400, "InvalidArgument", "0002-00000228")


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_temporary_credentials(server: OssServer, version: str) -> None:
    token = server.issue_sts_token(3600)
    keys = (token.access_key_id, token.access_key_secret, token.security_token)
    client = client_of(server, version, keys=keys)
    client.put_object(oss.PutObjectRequest(bucket="models", key="k", body=b"x"))
    server.expire_sts_tokens()
    error = service_error(client.get_object, oss.GetObjectRequest(bucket="models", key="k"))
    assert (error.status_code, error.code) == (403, "SecurityTokenExpired")
    forged = client_of(server, version, keys=(*keys[:2], "forged"))
    error = service_error(forged.get_object, oss.GetObjectRequest(bucket="models", key="k"))
    assert (error.status_code, error.code) == (403, "InvalidSecurityToken")


@pytest.mark.parametrize("version", ["v4", "v1"])
def test_a_clock_that_is_off(server: OssServer, version: str) -> None:
    server.faults.offset_clock(16 * 60)
    error = service_error(client_of(server, version).list_objects, oss.ListObjectsRequest(bucket="models"))
    assert (error.status_code, error.code) == (403, "RequestTimeTooSkewed")


def test_what_is_not_there(client: Any) -> None:
    error = service_error(client.get_object, oss.GetObjectRequest(bucket="models", key="missing"))
    assert (error.status_code, error.code, error.ec) == (404, "NoSuchKey", "0026-00000001")
    assert error.request_id == error.headers["x-oss-request-id"]
    error = service_error(client.head_object, oss.HeadObjectRequest(bucket="models", key="missing"))
    assert (error.status_code, error.code) == (404, "NoSuchKey")
    error = service_error(client.list_objects_v2, oss.ListObjectsV2Request(bucket="nowhere"))
    assert (error.status_code, error.code) == (404, "NoSuchBucket")
    assert not client.is_object_exist("models", "missing")


def test_an_archived_object(client: Any) -> None:
    client.put_object(oss.PutObjectRequest(bucket="models", key="cold", body=b"x", storage_class="Archive"))
    assert client.head_object(oss.HeadObjectRequest(bucket="models", key="cold")).storage_class == "Archive"
    error = service_error(client.get_object, oss.GetObjectRequest(bucket="models", key="cold"))
    assert (error.status_code, error.code) == (403, "InvalidObjectState")


def test_names_that_oss_does_not_take(client: Any) -> None:
    error = service_error(client.put_object, oss.PutObjectRequest(bucket="models", key="/leading", body=b""))
    assert (error.status_code, error.code) == (400, "InvalidObjectName")
    error = service_error(client.list_objects, oss.ListObjectsRequest(bucket="models", max_keys=1001))
    assert (error.status_code, error.code) == (400, "InvalidArgument")


def test_overwriting_can_be_forbidden(client: Any) -> None:
    request = oss.PutObjectRequest(bucket="models", key="k", body=b"x", forbid_overwrite=True)
    client.put_object(request)
    error = service_error(client.put_object, request)
    assert (error.status_code, error.code) == (409, "FileAlreadyExists")
