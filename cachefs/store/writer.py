"""Writing one chunk: bytes to the file, hashes taken while they are in the processor's cache, then publication."""

from __future__ import annotations

from contextlib import suppress
from typing import Protocol

import xxhash

from cachefs.errors import CorruptBlob, StoreError
from cachefs.store.crc64 import crc64
from cachefs.store.data_file import DataFile
from cachefs.types import BlobKey, ByteRange


class WrittenAlready(ValueError):
    """The chunk is here, or somebody writes it now. Whoever asked lost a race: two could mix their hashes and bytes."""


class ChunkTarget(Protocol):
    """What a writer needs of its blob."""

    key: BlobKey
    data: DataFile

    def publish(self, chunk: int, digest: bytes, crc64: int | None) -> None:
        """The data is written: hash second, state last."""
        ...

    def finish(self, chunk: int, reserved_bytes: int) -> None:
        """Called exactly once, whatever became of the chunk."""
        ...


class ChunkWriter:
    """One attempt at one chunk. Used by one thread at a time; ends with `commit` or `abort`.

    Holds a reference to the blob and the reservation of its room until then.
    """

    def __init__(self, blob: ChunkTarget, chunk: int, span: ByteRange, reserved_bytes: int, *, with_crc: bool) -> None:
        self._blob = blob
        self._chunk = chunk
        self._span = span
        self._reserved_bytes = reserved_bytes
        self._offset = span.start
        self._digest = xxhash.xxh3_128()
        self._crc64: int | None = 0 if with_crc else None
        self._open = True
        self._published = False

    def write(self, piece: memoryview | bytes) -> None:
        """Append `piece`. Raises NoSpace or TierUnavailable, CorruptBlob for more bytes than the chunk has."""
        if self._offset + len(piece) > self._span.stop:
            raise CorruptBlob(
                f"{self._name()}: {len(piece)} bytes at {self._offset} run over its end {self._span.stop}"
            )
        self._blob.data.write(piece, self._offset)
        self._digest.update(piece)
        if self._crc64 is not None:
            self._crc64 = crc64(piece, self._crc64)
        self._offset += len(piece)

    def digest(self) -> bytes:
        """The xxh3-128 (16 bytes) of what was written so far."""
        return self._digest.digest()

    def commit(self) -> bytes:
        """Publish the chunk and return its xxh3-128 (16 bytes); seals the blob when this was its last missing chunk.

        Raises CorruptBlob when bytes are lacking, or when the blob is complete and does not have the object's CRC-64
        (then all its chunks are MISSING); TierUnavailable when the index cannot be written. The writer is done in any
        case.
        """
        if not self._open:
            raise ValueError(f"{self._name()}: committed or aborted already")
        try:
            if self._offset != self._span.stop:
                raise CorruptBlob(f"{self._name()}: {self._offset - self._span.start} of {len(self._span)} bytes came")
            digest = self._digest.digest()
            self._blob.publish(self._chunk, digest, self._crc64)
            self._published = True
        finally:
            self.abort()
        return digest

    def abort(self) -> None:
        """Give the room and the reference back; what was written of the chunk is gone. No harm after `commit`."""
        if self._open:
            self._open = False
            if not self._published and self._offset > self._span.start:
                with suppress(StoreError):  # counted; the blocks are there for the next attempt
                    self._blob.data.punch(range(self._chunk, self._chunk + 1))
            self._blob.finish(self._chunk, self._reserved_bytes)

    def _name(self) -> str:
        return f"{self._blob.key.uri}: chunk {self._chunk}"
