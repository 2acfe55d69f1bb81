"""Hash a piece of a file through one reused buffer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import xxhash

from cachefs.store.crc64 import combine, crc64
from cachefs.store.oscalls import Calls, Step, read_into
from cachefs.types import BlobKey, ByteRange

_PIECE_BYTES = 1 << 20  # stays in the second-level cache between the read and the two hashes


@dataclass(frozen=True, slots=True)
class Hashes:
    """xxh3-128 and CRC-64/XZ of the same bytes."""

    digest: bytes
    crc64: int


def hash_range(calls: Calls, fd: int, span: ByteRange) -> Hashes:
    """Hashes of the bytes of `span`. Raises OSError, also when the file is shorter."""
    buffer = memoryview(bytearray(min(_PIECE_BYTES, len(span))))
    digest, crc = xxhash.xxh3_128(), 0
    for start in range(span.start, span.stop, _PIECE_BYTES):
        piece = buffer[: min(_PIECE_BYTES, span.stop - start)]
        read_into(calls, Step.DATA_READ, fd, piece, start)
        digest.update(piece)
        crc = crc64(piece, crc)
    return Hashes(digest.digest(), crc)


def whole_crc64(calls: Calls, fd: int, key: BlobKey, known: Callable[[int], int | None]) -> int:
    """The CRC-64/XZ of a whole blob: of each chunk what is `known`, else that of its bytes. Raises OSError."""

    def of_chunk(chunk: int) -> int:
        crc = known(chunk)
        return hash_range(calls, fd, key.chunk_range(chunk)).crc64 if crc is None else crc

    return combine((of_chunk(chunk), len(key.chunk_range(chunk))) for chunk in range(key.chunk_count))
