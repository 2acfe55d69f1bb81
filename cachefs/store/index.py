"""The index of one blob: per chunk a state, an xxh3-128 and a CRC-64.

::

    header, 64 bytes    magic "MOWSIDX1", chunk count, chunk size, object size (u64 each), blob id (16 bytes), zeros
    record, 32 bytes    state (u8), 1 if there is a CRC (u8), zeros (6), CRC-64/XZ (u64), xxh3-128 (16 bytes)

All numbers are little-endian. The file is written with pwrite and kept in memory as a whole (32 bytes per chunk: 0.6
MB for 140 GB). It is not mapped: a mapped page of a truncated file or of a failing disk ends the process with SIGBUS,
while a failing pwrite is only a miss. A pwrite outlives ``kill -9`` just as a store to a mapping does. See
docs/design.

The order in which a chunk is published is data first, hash second, state last; it is withdrawn the other way round.
Under one boot of the machine a state byte PRESENT in the file therefore means that data and hash are there.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator

from cachefs.errors import CorruptBlob
from cachefs.store.oscalls import Calls, Step, read_into, write_all
from cachefs.store.values import ChunkState
from cachefs.types import BlobKey

_HEADER = struct.Struct("<8sQQQ16s16x")
_HASHES = struct.Struct("<B6xQ16s")  # what follows the state byte
_RECORD_BYTES = 32
_MAGIC = b"MOWSIDX1"
_MISSING = bytes([ChunkState.MISSING])
_PRESENT = bytes([ChunkState.PRESENT])
_TRUST = bytes(value if value in set(ChunkState) else ChunkState.MISSING for value in range(256))
_DISTRUST = bytes(ChunkState.MISSING if state == ChunkState.MISSING else ChunkState.SUSPECT for state in _TRUST)


def index_bytes(key: BlobKey) -> int:
    """Size of the index file of a blob."""
    return _HEADER.size + _RECORD_BYTES * key.chunk_count


def create_index(calls: Calls, fd: int, key: BlobKey) -> None:
    """Write the index of a blob without chunks. Raises OSError.

    All its blocks are allocated here, so that publishing a chunk cannot run out of space.
    """
    image = bytearray(index_bytes(key))
    image[: _HEADER.size] = _header(key)
    write_all(calls, Step.INDEX_CREATE, fd, image, 0)


class Index:
    """States and hashes of one blob's chunks. The blob's lock guards everything but reading `states`.

    `states` has one byte per chunk and may be read from any thread without a lock; only this class writes it.
    """

    def __init__(self, calls: Calls, fd: int, key: BlobKey, image: bytearray) -> None:
        self._calls = calls
        self._fd = fd
        self._key = key
        self._image = image
        self.states = image[_HEADER.size :: _RECORD_BYTES].translate(_TRUST)

    @classmethod
    def load(cls, calls: Calls, fd: int, key: BlobKey) -> Index:
        """Read the index of an existing blob. Raises OSError, or CorruptBlob when it is not that of `key`."""
        size_bytes = calls(Step.INDEX_READ, os.fstat, fd).st_size
        if size_bytes != index_bytes(key):
            raise CorruptBlob(f"index has {size_bytes} bytes instead of {index_bytes(key)}")
        image = bytearray(size_bytes)
        read_into(calls, Step.INDEX_READ, fd, memoryview(image), 0)
        if image[: _HEADER.size] != _header(key):
            raise CorruptBlob("index has a header that is not this blob's")
        return cls(calls, fd, key, image)

    def encode(self) -> bytearray:
        """The whole index file, as a copy of the blob needs it."""
        image = bytearray(self._image)
        image[_HEADER.size :: _RECORD_BYTES] = self.states
        return image

    def digest(self, chunk: int) -> bytes:
        """The xxh3-128 the chunk was published with. Means nothing for a MISSING chunk."""
        return self._hashes(chunk)[2]

    def crc64(self, chunk: int) -> int | None:
        """The CRC-64 the chunk was published with, if it was."""
        has_crc, crc64, _ = self._hashes(chunk)
        return crc64 if has_crc else None

    def publish(self, chunk: int, digest: bytes, crc64: int | None) -> None:
        """The chunk's data is written: make it PRESENT. Raises OSError, and then it is still MISSING."""
        at = _record(chunk)
        _HASHES.pack_into(self._image, at + 1, crc64 is not None, crc64 or 0, digest)
        hashes = memoryview(self._image)[at + 1 : at + _RECORD_BYTES]
        write_all(self._calls, Step.INDEX_HASH, self._fd, hashes, at + 1)
        self.confirm(chunk)

    def confirm(self, chunk: int) -> None:
        """The chunk has the hash it was published with: make it PRESENT. Raises OSError, and then nothing changed."""
        write_all(self._calls, Step.INDEX_BIT, self._fd, _PRESENT, _record(chunk))
        self.states[chunk] = ChunkState.PRESENT

    def clear(self, chunk: int) -> None:
        """Make the chunk MISSING. Raises OSError, and then it is so in memory but perhaps not in the file.

        Always writes to the file, even when memory says MISSING already: that may be the rest of such a failure.
        """
        self.states[chunk] = ChunkState.MISSING
        write_all(self._calls, Step.INDEX_CLEAR, self._fd, _MISSING, _record(chunk))

    def clear_all(self) -> None:
        """As `clear`, for all chunks."""
        self._replace_states(bytes(len(self.states)))

    def distrust(self) -> None:
        """Make every PRESENT chunk SUSPECT. Raises OSError as `clear` does."""
        self._replace_states(self.states.translate(_DISTRUST))

    def _replace_states(self, states: bytes | bytearray) -> None:
        self.states[:] = states
        self._image[_HEADER.size :: _RECORD_BYTES] = states
        write_all(self._calls, Step.INDEX_CLEAR, self._fd, self._image, 0)

    def _hashes(self, chunk: int) -> tuple[int, int, bytes]:
        has_crc, crc64, digest = _HASHES.unpack_from(self._image, _record(chunk) + 1)
        return has_crc, crc64, digest


def runs(states: bytes | bytearray, wanted: ChunkState) -> Iterator[range]:
    """The runs of consecutive chunks in the state `wanted`."""
    for found in re.finditer(re.escape(bytes([wanted])) + b"+", bytes(states)):
        yield range(found.start(), found.end())


def _record(chunk: int) -> int:
    return _HEADER.size + _RECORD_BYTES * chunk


def _header(key: BlobKey) -> bytes:
    return _HEADER.pack(_MAGIC, key.chunk_count, key.chunk_bytes, key.size_bytes, bytes.fromhex(key.blob_id))
