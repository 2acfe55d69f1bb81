"""Where a request goes and what it means."""

import pytest

from benchmarks.ossserver.errors import OssError
from benchmarks.ossserver.routing import Address, address, check_bucket_name, operation

SERVICE, BUCKET, OBJECT = Address("", ""), Address("b", ""), Address("b", "k")


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("127.0.0.1:8000", "/", SERVICE),
        ("127.0.0.1:8000", "/b/", BUCKET),
        ("127.0.0.1:8000", "/b", BUCKET),
        ("localhost:8000", "/b/a/c", Address("b", "a/c")),
        ("localhost", "/b/a//c", Address("b", "a//c")),
        ("[::1]:8000", "/b/k", OBJECT),
        ("b.localhost:8000", "/k", OBJECT),
        ("b.oss-cn-hangzhou.aliyuncs.com", "/", BUCKET),
        ("b.oss-cn-hangzhou-internal.aliyuncs.com", "/k/l", Address("b", "k/l")),
        ("oss-cn-hangzhou.aliyuncs.com", "/b/k", OBJECT),
        ("127.0.0.1", "/b//k", Address("b", "/k")),
    ],
)
def test_address(host: str, path: str, expected: Address) -> None:
    assert address(host, path, "cn-hangzhou") == expected


def test_a_host_of_another_region() -> None:
    with pytest.raises(OssError) as caught:
        address("b.oss-cn-shenzhen.aliyuncs.com", "/k", "cn-hangzhou")
    assert caught.value.code == "AccessDenied"
    assert caught.value.details["Endpoint"] == "oss-cn-hangzhou.aliyuncs.com"


@pytest.mark.parametrize(
    ("method", "where", "query", "expected"),
    [
        ("GET", SERVICE, {}, "ListBuckets"),
        ("GET", BUCKET, {}, "ListObjects"),
        ("GET", BUCKET, {"list-type": "2", "prefix": "p"}, "ListObjectsV2"),
        ("GET", BUCKET, {"versions": ""}, "ListObjectVersions"),
        ("POST", BUCKET, {"delete": ""}, "DeleteMultipleObjects"),
        ("GET", OBJECT, {"versionId": "v"}, "GetObject"),
        ("HEAD", OBJECT, {}, "HeadObject"),
        ("HEAD", OBJECT, {"objectMeta": ""}, "GetObjectMeta"),
        ("PUT", OBJECT, {}, "PutObject"),
        ("PUT", OBJECT, {"partNumber": "1", "uploadId": "u"}, "UploadPart"),
        ("GET", OBJECT, {"uploadId": "u"}, "ListParts"),
    ],
)
def test_operation(method: str, where: Address, query: dict[str, str], expected: str) -> None:
    assert operation(method, where, query) == expected


@pytest.mark.parametrize(
    ("method", "where", "query", "status"),
    [("PATCH", OBJECT, {}, 405), ("POST", BUCKET, {}, 405), ("GET", OBJECT, {"acl": ""}, 501)],
)
def test_what_is_not_here(method: str, where: Address, query: dict[str, str], status: int) -> None:
    with pytest.raises(OssError) as caught:
        operation(method, where, query)
    assert caught.value.status == status


@pytest.mark.parametrize("name", ["ab", "Models", "a_b", "-ab", "a" * 64])
def test_bucket_names_that_are_none(name: str) -> None:
    with pytest.raises(OssError) as caught:
        check_bucket_name(name)
    assert caught.value.code == "InvalidBucketName"
