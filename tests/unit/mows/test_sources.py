"""Listings are bounded: in objects, and in how many run at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from cachefs.errors import SourceTooLarge
from cachefs.origin import parse_source
from cachefs.types import ObjectInfo
from mows.sources import at_most

SOURCE = parse_source("oss://models/qwen3/")


def page(count: int) -> list[ObjectInfo]:
    return [ObjectInfo(f"oss://models/{n}", str(n), 1, "v", 0) for n in range(count)]


def test_as_many_objects_as_allowed_pass() -> None:
    assert sum(map(len, at_most(5, [page(3), page(2)], SOURCE))) == 5


def test_one_more_ends_the_listing_before_the_rest_is_asked_for() -> None:
    def pages() -> Iterator[Sequence[ObjectInfo]]:
        yield page(3)
        yield page(3)
        raise AssertionError("asked for more")

    with pytest.raises(SourceTooLarge, match=r"'oss://models/qwen3/': more than 5 objects \(mounts.max_objects\)"):
        list(at_most(5, pages(), SOURCE))
