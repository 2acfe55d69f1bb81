"""Ranges: the table of OSS's documentation for an object of 1,000 bytes, in both behaviours."""

import pytest

from benchmarks.ossserver.errors import OssError
from benchmarks.ossserver.ranges import Span, resolve

INSIDE = [
    ("bytes=0-499", Span(0, 500)),
    ("bytes=500-999", Span(500, 1000)),
    ("bytes=-500", Span(500, 1000)),
    ("bytes=500-", Span(500, 1000)),
    ("bytes=0-", Span(0, 1000)),
    ("bytes=999-999", Span(999, 1000)),
    ("bytes=0-499,500-999", Span(0, 500)),
]
OUTSIDE = ["bytes=500-2000", "bytes=0-1000", "bytes=1000-2000", "bytes=1000-", "bytes=1500-", "bytes=-2000", "bytes=-0"]
MALFORMED = ["byte=0-499", "bytes=abc", "bytes=-", "bytes=9-3", "0-499", ""]


@pytest.mark.parametrize(("header", "span"), INSIDE)
@pytest.mark.parametrize("standard", [False, True])
def test_inside_the_object(header: str, span: Span, standard: bool) -> None:
    assert resolve(header, 1000, standard=standard) == span


@pytest.mark.parametrize("header", OUTSIDE)
def test_outside_is_the_whole_object(header: str) -> None:
    assert resolve(header, 1000, standard=False) is None


@pytest.mark.parametrize("header", MALFORMED)
@pytest.mark.parametrize("standard", [False, True])
def test_malformed_is_the_whole_object(header: str, standard: bool) -> None:
    assert resolve(header, 1000, standard=standard) is None


@pytest.mark.parametrize(("header", "span"), [("bytes=500-2000", Span(500, 1000)), ("bytes=-2000", Span(0, 1000))])
def test_standard_cuts_what_reaches_out(header: str, span: Span) -> None:
    assert resolve(header, 1000, standard=True) == span


@pytest.mark.parametrize("header", ["bytes=1000-2000", "bytes=1000-", "bytes=1500-", "bytes=-0"])
def test_standard_refuses_what_holds_nothing(header: str) -> None:
    with pytest.raises(OssError) as caught:
        resolve(header, 1000, standard=True)
    assert (caught.value.status, caught.value.code) == (416, "InvalidRange")
    assert caught.value.headers["content-range"] == "bytes */1000"


def test_an_empty_object() -> None:
    assert resolve("bytes=0-0", 0, standard=False) is None
    with pytest.raises(OssError):
        resolve("bytes=0-0", 0, standard=True)


def test_no_header() -> None:
    assert resolve(None, 10, standard=True) is None


def test_content_range_is_inclusive() -> None:
    assert Span(5, 10).content_range(50) == "bytes 5-9/50"
