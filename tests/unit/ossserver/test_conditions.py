"""Conditional requests."""

import pytest

from benchmarks.ossserver.conditions import check
from benchmarks.ossserver.errors import OssError

ETAG = "5B3C1A2E053D763E1B002CC607C5A0FE"
MODIFIED = 1_700_000_000
AT, BEFORE, AFTER = "Tue, 14 Nov 2023 22:13:20 GMT", "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"if-match": f'"{ETAG}"'},
        {"if-match": ETAG.lower()},
        {"if-match": f'"other", "{ETAG}"'},
        {"if-match": "*"},
        {"if-none-match": '"other"'},
        {"if-modified-since": BEFORE},
        {"if-unmodified-since": AT},
        {"if-unmodified-since": AFTER},
        {"if-modified-since": "no date at all"},
    ],
)
def test_holds(headers: dict[str, str]) -> None:
    check(headers, ETAG, MODIFIED)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-match": '"other"'}, 412),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-none-match": f'"{ETAG}"'}, 304),
        ({"if-modified-since": AT}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-match": '"other"', "if-none-match": ETAG}, 412),
    ],
)
def test_does_not_hold(headers: dict[str, str], status: int) -> None:
    with pytest.raises(OssError) as caught:
        check(headers, ETAG, MODIFIED)
    assert caught.value.status == status
