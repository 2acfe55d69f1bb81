"""Content is a function of name, version and offset, and what is not right is seen and named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.chaos.content import HEADER_BYTES, PAGE_BYTES, Content, version_of

BASE = 5 * PAGE_BYTES + 77
FIRST, SECOND = Content("m", BASE, 1), Content("m", BASE, 2)
WHOLE = FIRST.read(0, 1 << 20)


@given(st.integers(0, BASE + 5000), st.integers(0, BASE + 5000))
def test_any_range_is_a_part_of_the_whole(offset: int, count: int) -> None:
    assert FIRST.read(offset, count) == WHOLE[offset : offset + count]
    assert FIRST.difference(offset, WHOLE[offset : offset + count], count) is None


def test_a_file_of_it_has_its_bytes_and_its_size(tmp_path: Path) -> None:
    FIRST.write(tmp_path / "m")
    assert (tmp_path / "m").read_bytes() == WHOLE
    assert len(WHOLE) == FIRST.size_bytes


def test_versions_differ_in_size_and_in_every_page() -> None:
    assert FIRST.size_bytes != SECOND.size_bytes
    assert version_of("m", WHOLE[:HEADER_BYTES]) == 1
    assert version_of("m", SECOND.read(0, HEADER_BYTES)) == 2


@pytest.mark.parametrize("start", [b"", bytes(HEADER_BYTES), WHOLE[PAGE_BYTES : PAGE_BYTES + HEADER_BYTES]])
def test_what_begins_otherwise_is_no_version(start: bytes) -> None:
    assert version_of("m", start) is None


@given(st.integers(0, len(WHOLE) - 1), st.integers(1, 255))
def test_one_wrong_byte_is_found(at: int, mask: int) -> None:
    wrong = bytearray(WHOLE)
    wrong[at] ^= mask
    difference = FIRST.difference(0, bytes(wrong), len(WHOLE))
    assert difference is not None
    assert difference.offset == at


@pytest.mark.parametrize(
    ("there", "looks_like"),
    [
        (bytes(PAGE_BYTES), "zeros"),
        (SECOND.read(2 * PAGE_BYTES, PAGE_BYTES), "page 2 of version 2, in version 1"),
        (FIRST.read(3 * PAGE_BYTES, PAGE_BYTES), "page 3 of version 1, in version 1"),
        (Content("other", BASE, 1).read(2 * PAGE_BYTES, PAGE_BYTES), "other bytes, or another object"),
    ],
)
def test_what_stands_in_its_place_is_named(there: bytes, looks_like: str) -> None:
    mixed = WHOLE[: 2 * PAGE_BYTES] + there + WHOLE[3 * PAGE_BYTES :]
    difference = FIRST.difference(PAGE_BYTES, mixed[PAGE_BYTES:], len(WHOLE))
    assert difference is not None
    assert 2 * PAGE_BYTES <= difference.offset < 3 * PAGE_BYTES
    assert difference.looks_like == looks_like


@pytest.mark.parametrize("data", [WHOLE[:-1], WHOLE + b"x"])
def test_a_wrong_length_is_found(data: bytes) -> None:
    difference = FIRST.difference(0, data, len(WHOLE) + 10)
    assert difference is not None
    assert difference.looks_like == f"{len(data)} bytes instead of {len(WHOLE)}"
