"""XML in and out."""

import pytest

from benchmarks.ossserver import documents
from benchmarks.ossserver.errors import OssError, no_such_key


def test_render() -> None:
    text = documents.render("Root", [("A", "x<&>"), ("B", 3), ("C", True), ("D", [("E", "")])])
    assert text.endswith(b"\n<Root><A>x&lt;&amp;&gt;</A><B>3</B><C>true</C><D><E></E></D></Root>")


def test_an_error() -> None:
    text = documents.error_document(no_such_key("a&b"), "00AA", "h").decode()
    assert text == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
        "<Message>The specified key does not exist.</Message><RequestId>00AA</RequestId><HostId>h</HostId>"
        "<Key>a&amp;b</Key><EC>0026-00000001</EC></Error>"
    )


def test_keys_are_encoded_if_asked_for() -> None:
    assert documents.encoder("url")("a b/+") == "a%20b%2F%2B"
    assert documents.encoder("")("a b/+") == "a b/+"
    with pytest.raises(OssError):
        documents.encoder("base64")


def test_parse_looks_through_name_spaces() -> None:
    root = documents.parse(b'<Delete xmlns="http://x"><Quiet>true</Quiet></Delete>', "Delete")
    assert documents.text_of(root, "Quiet") == "true"
    assert documents.text_of(root, "Missing", "none") == "none"


@pytest.mark.parametrize("body", [b"", b"<Delete>", b"<Other/>"])
def test_parse_refuses(body: bytes) -> None:
    with pytest.raises(OssError) as caught:
        documents.parse(body, "Delete")
    assert caught.value.code == "MalformedXML"


def test_timestamp() -> None:
    assert documents.timestamp(1_700_000_000.9) == "2023-11-14T22:13:20.000Z"
