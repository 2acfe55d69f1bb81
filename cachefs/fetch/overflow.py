"""Chunks that no tier would take, kept in a little memory so that reads go on without the cache.

A full or broken disk must cost speed and nothing else. A chunk that lands here answers the reads that wait for it, and
those that come soon after; the least recently used ones make room.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

import xxhash

from cachefs.types import BlobId


class Overflow:
    """A bounded LRU of whole chunks. Thread-safe."""

    def __init__(self, capacity_bytes: int) -> None:
        self.capacity_bytes = capacity_bytes
        self._lock = threading.Lock()  # guards _chunks and _bytes
        self._chunks: OrderedDict[tuple[BlobId, int], bytes | bytearray] = OrderedDict()
        self._bytes = 0

    @property
    def used_bytes(self) -> int:
        """Bytes of all chunks held."""
        return self._bytes

    def get(self, blob_id: BlobId, chunk: int) -> bytes | bytearray | None:
        """The bytes of a chunk, if they are still here."""
        if not self._chunks:
            return None
        with self._lock:
            data = self._chunks.get((blob_id, chunk))
            if data is not None:
                self._chunks.move_to_end((blob_id, chunk))
            return data

    def has(self, blob_id: BlobId, chunk: int) -> bool:
        """Whether `get` would find it. Does not count as a use."""
        return (blob_id, chunk) in self._chunks

    def put(self, blob_id: BlobId, chunk: int, data: bytes | bytearray) -> None:
        """Keep a chunk; others go until everything fits. What is larger than all room is not kept."""
        with self._lock:
            self._bytes -= len(self._chunks.pop((blob_id, chunk), b""))
            self._chunks[blob_id, chunk] = data
            self._bytes += len(data)
            while self._bytes > self.capacity_bytes:
                _, dropped = self._chunks.popitem(last=False)
                self._bytes -= len(dropped)

    def drop(self, blob_id: BlobId) -> None:
        """Forget all chunks of a blob."""
        with self._lock:
            for key in [key for key in self._chunks if key[0] == blob_id]:
                self._bytes -= len(self._chunks.pop(key))


class OverflowWriter:
    """Takes one chunk as the store's ChunkWriter does, and hands it to `keep` when it is whole."""

    def __init__(self, size_bytes: int, keep: Callable[[bytearray], None]) -> None:
        self._data = bytearray(size_bytes)
        self._filled = 0
        self._keep = keep

    def write(self, piece: memoryview) -> None:
        """Append `piece`."""
        self._data[self._filled : self._filled + len(piece)] = piece
        self._filled += len(piece)

    def digest(self) -> bytes:
        """The xxh3-128 (16 bytes) of what was written so far."""
        return xxhash.xxh3_128_digest(memoryview(self._data)[: self._filled])

    def commit(self) -> None:
        """The chunk is whole."""
        self._keep(self._data)

    def abort(self) -> None:
        """Nothing to undo."""
