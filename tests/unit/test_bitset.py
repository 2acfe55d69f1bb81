"""Sets of chunks at their edges: empty, full, one beyond. The rest is in `tests/property`."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from cachefs import bitset


def test_an_empty_span_has_no_chunks() -> None:
    assert bitset.span(3, 3) == bitset.span(5, 3) == bitset.of([]) == 0


def test_a_span_is_half_open() -> None:
    assert list(bitset.each(bitset.span(3, 6))) == [3, 4, 5]


def test_the_ends_of_a_set() -> None:
    chunks = bitset.of([1, 8, 9, 300])
    assert bitset.first(chunks) == 1
    assert list(bitset.each(bitset.lowest(chunks, 2))) == [1, 8]
    assert list(bitset.each(bitset.highest(chunks, 2))) == [9, 300]
    assert bitset.lowest(chunks, 9) == bitset.highest(chunks, 9) == chunks
    assert bitset.lowest(chunks, 0) == bitset.highest(chunks, 0) == bitset.lowest(chunks, -1) == 0


def test_nothing_can_be_drawn_from_an_empty_set() -> None:
    with pytest.raises(ValueError, match="empty"):
        bitset.random_chunk(0, random.Random(1))
    with pytest.raises(ValueError, match="empty"):
        bitset.first(0)
    with pytest.raises(IndexError, match="member 2 of a set of 2"):
        bitset.nth(0b11, 2)


def test_a_chunk_after_a_gap_is_as_likely_as_any() -> None:
    """A draw that takes the next member after a random place would return 900 nine times in ten, and make runs."""
    chunks = bitset.of([0, 1, 2, 3, 4, 5, 6, 7, 8, 900])
    rng = random.Random(7)
    drawn = Counter(bitset.random_chunk(chunks, rng) for _ in range(10_000))
    assert sorted(drawn) == list(bitset.each(chunks))
    assert all(800 < times < 1200 for times in drawn.values())


def test_bytes_are_little_endian_and_whole() -> None:
    assert bitset.to_bytes(bitset.of([0, 9]), 10) == b"\x01\x02"
    assert bitset.to_bytes(0, 0) == b""


def test_a_chunk_the_blob_does_not_have_is_refused() -> None:
    assert bitset.from_bytes(b"\xff\x03", 10) == bitset.span(0, 10)
    with pytest.raises(ValueError, match="chunk 10 named for a blob of 10"):
        bitset.from_bytes(b"\x00\x04", 10)
    with pytest.raises(ValueError, match="chunk 80"):
        bitset.from_bytes(bytes(10) + b"\x01", 10)


def test_the_chunks_that_have_a_mark() -> None:
    assert bitset.where(bytearray([1, 0, 2, 1]), 1) == 0b1001
    assert bitset.where(bytes([1, 0, 2, 1]), 2) == 0b100
    assert bitset.where(b"\x00\xff", 0xFF) == 0b10
    assert bitset.where(b"", 1) == 0
