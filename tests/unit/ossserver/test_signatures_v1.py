"""V1 signatures against the example in Alibaba Cloud's documentation, and the rules around it."""

from benchmarks.ossserver import signatures_v1 as v1

SECRET = "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"
HEADERS = {
    "content-md5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
    "content-type": "text/html",
    "host": "oss-example.oss-cn-hangzhou.aliyuncs.com",
    "x-oss-meta-author": "foo@bar.com",
    "x-oss-magic": "abracadabra",
}


def test_the_published_example() -> None:
    text = v1.string_to_sign("PUT", "oss-example", "nelson", {}, HEADERS, date="Thu, 17 Nov 2005 18:49:58 GMT")
    assert text == (
        "PUT\nODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=\ntext/html\nThu, 17 Nov 2005 18:49:58 GMT\n"
        "x-oss-magic:abracadabra\nx-oss-meta-author:foo@bar.com\n/oss-example/nelson"
    )
    assert v1.signature(SECRET, text) == "26NBxoKdsyly4EDv6inkoDft/yA="


def test_only_sub_resources_of_the_query_are_signed() -> None:
    query = {"versionId": "abc", "prefix": "p", "uploads": "", "list-type": "2"}
    assert v1.canonical_resource("b", "k", query) == "/b/k?uploads&versionId=abc"


def test_keys_are_signed_as_they_are() -> None:
    assert v1.canonical_resource("b", "a b+%/é", {}) == "/b/a b+%/é"


def test_the_resource_of_a_bucket_and_of_the_service() -> None:
    assert v1.canonical_resource("b", "", {"versions": ""}) == "/b/?versions"
    assert v1.canonical_resource("", "", {}) == "/"
