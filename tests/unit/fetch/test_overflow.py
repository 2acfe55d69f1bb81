"""Chunks in memory, where the store would not take them."""

from __future__ import annotations

import xxhash

from cachefs.fetch.overflow import Overflow, OverflowWriter
from cachefs.types import BlobId
from tests.unit.fetch.kit import BLOB

OTHER = BlobId("11" * 16)


def test_the_least_recently_used_goes_first() -> None:
    overflow = Overflow(capacity_bytes=30)
    for chunk in range(3):
        overflow.put(BLOB, chunk, bytes([chunk]) * 10)
    assert overflow.get(BLOB, 0) == b"\0" * 10
    overflow.put(BLOB, 3, b"\3" * 10)
    assert [overflow.has(BLOB, chunk) for chunk in range(4)] == [True, False, True, True]
    assert overflow.used_bytes == 30


def test_never_more_than_its_capacity() -> None:
    overflow = Overflow(capacity_bytes=25)
    for chunk in range(10):
        overflow.put(BLOB, chunk, bytes(10))
        assert overflow.used_bytes <= 25
    overflow.put(BLOB, 99, bytes(26))
    assert overflow.used_bytes == 0
    assert not overflow.has(BLOB, 99)


def test_the_same_chunk_again_replaces_itself() -> None:
    overflow = Overflow(capacity_bytes=25)
    overflow.put(BLOB, 0, bytes(10))
    overflow.put(BLOB, 0, b"x" * 20)
    assert overflow.used_bytes == 20
    assert overflow.get(BLOB, 0) == b"x" * 20


def test_dropping_a_blob_leaves_the_others() -> None:
    overflow = Overflow(capacity_bytes=100)
    overflow.put(BLOB, 0, bytes(10))
    overflow.put(BLOB, 1, bytes(10))
    overflow.put(OTHER, 0, bytes(10))
    overflow.drop(BLOB)
    assert overflow.get(BLOB, 0) is None
    assert overflow.has(OTHER, 0)
    assert overflow.used_bytes == 10


def test_a_writer_hands_over_the_whole_chunk_and_only_on_commit() -> None:
    kept: list[bytearray] = []
    writer = OverflowWriter(6, kept.append)
    writer.write(memoryview(b"abc"))
    writer.write(memoryview(b"def"))
    assert kept == []
    writer.commit()
    writer.abort()
    assert kept == [bytearray(b"abcdef")]


def test_a_writer_tells_the_hash_of_what_was_written() -> None:
    writer = OverflowWriter(6, lambda _: None)
    assert writer.digest() == xxhash.xxh3_128_digest(b"")
    writer.write(memoryview(b"abc"))
    assert writer.digest() == xxhash.xxh3_128_digest(b"abc")
    writer.write(memoryview(b"def"))
    assert writer.digest() == xxhash.xxh3_128_digest(b"abcdef")
