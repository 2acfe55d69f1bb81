"""V4 signatures against the example in Alibaba Cloud's documentation and the vectors of its clients' tests."""

import hashlib

import pytest

from benchmarks.ossserver import signatures_v4 as v4
from benchmarks.ossserver.signatures_v4 import Scope

DOCUMENTED_HEADERS = {
    "content-disposition": "attachment",
    "content-length": "3",
    "content-md5": "ICy5YqxZB1uWSwcVLSNLcA==",
    "content-type": "text/plain",
    "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
    "x-oss-date": "20250411T064124Z",
}
VECTOR_HEADERS = {
    "x-oss-head1": "value",
    "abc": "value",
    "zabc": "value",
    "xyz": "value",
    "content-type": "text/plain",
    "x-oss-content-sha256": "UNSIGNED-PAYLOAD",
}
VECTOR_QUERY = {
    "param1": "value1",
    "+param1": "value3",
    "|param1": "value4",
    "+param2": "",
    "|param2": "",
    "param2": "",
}


def test_the_documented_request() -> None:
    request = v4.canonical_request(
        "PUT",
        "examplebucket",
        "exampleobject",
        {},
        DOCUMENTED_HEADERS,
        additional=["content-disposition", "content-length"],
    )
    expected = "c46d96390bdbc2d739ac9363293ae9d710b14e48081fcb22cd8ad54b63136eca"
    assert hashlib.sha256(request.encode()).hexdigest() == expected
    text = v4.string_to_sign("20250411T064124Z", Scope("20250411", "cn-hangzhou"), request)
    assert text == f"OSS4-HMAC-SHA256\n20250411T064124Z\n20250411/cn-hangzhou/oss/aliyun_v4_request\n{expected}"


def test_the_documented_signature() -> None:
    # The page shows the key, and not the secret, that it signed with.
    key = bytes.fromhex("3543b7686e65eda71e5e5ca19d548d78423c37e8ddba4dc9d83f90228b457c76")
    text = (
        "OSS4-HMAC-SHA256\n20250411T064124Z\n20250411/cn-hangzhou/oss/aliyun_v4_request\n"
        "c46d96390bdbc2d739ac9363293ae9d710b14e48081fcb22cd8ad54b63136eca"
    )
    assert v4.signature(key, text) == "053edbf550ebd239b32a9cdfd93b0b2b3f2d223083aa61f75e9ac16856d61f23"


@pytest.mark.parametrize(
    ("timestamp", "extra", "expected"),
    [
        ("20231216T162057Z", {}, "e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe"),
        (
            "20231217T034736Z",
            {"x-oss-security-token": "token"},
            "b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea",
        ),
    ],
)
def test_the_vectors_of_the_official_clients(timestamp: str, extra: dict[str, str], expected: str) -> None:
    headers = VECTOR_HEADERS | {"x-oss-date": timestamp} | extra
    request = v4.canonical_request("PUT", "bucket", "1234+-/123/1.txt", VECTOR_QUERY, headers)
    scope = Scope(timestamp[:8], "cn-hangzhou")
    text = v4.string_to_sign(timestamp, scope, request)
    assert v4.signature(v4.signing_key("sk", scope), text) == expected


def test_key_and_query_are_encoded() -> None:
    request = v4.canonical_request("GET", "b", "a b/+é", {"x/y": "a b", "z": ""}, {})
    assert request.split("\n")[1:3] == ["/b/a%20b/%2B%C3%A9", "x%2Fy=a%20b&z"]


def test_headers_that_are_not_named_are_not_signed() -> None:
    assert v4.canonical_headers({"range": "bytes=0-1", "x-oss-a": "1", "host": "h"}, ["host"]) == "host:h\nx-oss-a:1\n"


def test_a_credential_taken_apart() -> None:
    parsed = v4.parse_credential("STS.a/b/20250411/cn-hangzhou/oss/aliyun_v4_request")
    assert parsed == ("STS.a/b", Scope("20250411", "cn-hangzhou"))
    with pytest.raises(ValueError, match="not enough"):
        v4.parse_credential("id/20250411/cn-hangzhou")


def test_an_authorization_taken_apart() -> None:
    header = "OSS4-HMAC-SHA256 Credential=a/b, AdditionalHeaders=host;range, Signature=ff"
    assert v4.parse_authorization(header) == {
        "Credential": "a/b",
        "AdditionalHeaders": "host;range",
        "Signature": "ff",
    }
