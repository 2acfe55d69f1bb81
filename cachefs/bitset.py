"""Sets of chunks as Python integers: bit n stands for chunk n.

Union, difference and count are one call into C whatever the size of the blob. What is here is the rest: building,
walking, cutting off an end, and drawing a member, each in a few such calls. Drawing and cutting need the place of the
n-th member; it is found by halving, so that all the steps together touch the set about twice.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from cachefs.sharing import ChunkSet

_GUESSES = 4
"""A dense set answers a random guess sooner than it is searched; after so many misses it is not dense."""


def span(start: int, stop: int) -> ChunkSet:
    """All chunks of the half-open range; nothing when it is empty."""
    return (1 << stop) - (1 << start) if start < stop else 0


def of(chunks: Iterable[int]) -> ChunkSet:
    """The set of these chunks."""
    members = list(chunks)
    digits = bytearray(max(members, default=0) // 8 + 1)
    for chunk in members:
        digits[chunk >> 3] |= 1 << (chunk & 7)
    return int.from_bytes(digits, "little")


def where(values: bytes | bytearray, wanted: int) -> ChunkSet:
    """The chunks whose byte in `values` is `wanted`: states and marks are kept one byte a chunk."""
    digits = bytearray(b"0" * 256)
    digits[wanted] = ord("1")
    return int(values.translate(digits)[::-1] or b"0", 2)


def each(chunks: ChunkSet) -> Iterator[int]:
    """The members, ascending."""
    digits = bin(chunks)[:1:-1]
    chunk = digits.find("1")
    while chunk >= 0:
        yield chunk
        chunk = digits.find("1", chunk + 1)


def count(chunks: ChunkSet) -> int:
    """How many there are."""
    return chunks.bit_count()


def first(chunks: ChunkSet) -> int:
    """The lowest chunk. Raises ValueError for the empty set."""
    if not chunks:
        raise ValueError("no chunk in an empty set")
    return (chunks & -chunks).bit_length() - 1


def nth(chunks: ChunkSet, n: int) -> int:
    """The chunk that `n` lower ones precede. Raises IndexError when there are not so many."""
    if not 0 <= n < chunks.bit_count():
        raise IndexError(f"member {n} of a set of {chunks.bit_count()} chunks")
    offset, width = 0, chunks.bit_length()
    while width > 1:
        half = width >> 1
        low = chunks & ((1 << half) - 1)
        below = low.bit_count()
        if n < below:
            chunks, width = low, half
        else:
            chunks, width, offset, n = chunks >> half, width - half, offset + half, n - below
    return offset


def lowest(chunks: ChunkSet, n: int) -> ChunkSet:
    """The `n` lowest members; all when there are not so many."""
    if n >= chunks.bit_count():
        return chunks
    return chunks & ((1 << nth(chunks, n)) - 1) if n > 0 else 0


def highest(chunks: ChunkSet, n: int) -> ChunkSet:
    """The `n` highest members; all when there are not so many."""
    surplus = chunks.bit_count() - n
    if surplus <= 0:
        return chunks
    return chunks ^ lowest(chunks, surplus)


def random_chunk(chunks: ChunkSet, rng: random.Random) -> int:
    """Any member, each as likely as another. Raises ValueError for the empty set."""
    if not chunks:
        raise ValueError("no chunk in an empty set")
    width = chunks.bit_length()
    for _ in range(_GUESSES):
        guess = int(rng.random() * width)
        if chunks >> guess & 1:
            return guess
    return nth(chunks, int(rng.random() * chunks.bit_count()))


def to_bytes(chunks: ChunkSet, chunk_count: int) -> bytes:
    """Little-endian, one bit a chunk, in whole bytes. Raises OverflowError when the set does not fit."""
    return chunks.to_bytes((chunk_count + 7) // 8, "little")


def from_bytes(data: bytes, chunk_count: int) -> ChunkSet:
    """What `to_bytes` wrote, or fewer bytes of it. Raises ValueError when it names a chunk beyond `chunk_count`."""
    chunks = int.from_bytes(data, "little")
    if chunks >> chunk_count:
        raise ValueError(f"chunk {chunks.bit_length() - 1} named for a blob of {chunk_count} chunks")
    return chunks
