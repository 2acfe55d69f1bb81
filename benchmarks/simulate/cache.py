"""What one simulated node has on its disk: chunks without bytes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from cachefs import bitset
from cachefs.sharing import ChunkSet, LentBlob
from cachefs.types import BlobId, BlobKey


@dataclass(slots=True)
class Lent:
    """Implements `sharing.LentBlob`. There are no bytes to read."""

    key: BlobKey
    have: ChunkSet
    fd: int = -1

    def held(self, chunk: int) -> AbstractContextManager[None]:  # noqa: ARG002 - nothing is ever given up
        """See `LentBlob.held`."""
        return nullcontext()

    def digest(self, chunk: int) -> bytes | None:  # noqa: ARG002 - all alike
        """No peer asks for it: chunks are flows."""
        return None

    def release(self) -> None:
        """Nothing is held."""


class Cache:
    """Implements `sharing.Lender`."""

    def __init__(self) -> None:
        self._have: dict[BlobKey, ChunkSet] = {}
        self._keys: dict[BlobId, BlobKey] = {}

    def fill(self, keys: Iterable[BlobKey]) -> None:
        """All of these is here."""
        for key in keys:
            self._keys[key.blob_id] = key
            self._have[key] = bitset.span(0, key.chunk_count)

    def put(self, key: BlobKey, chunk: int) -> None:
        """A chunk is here."""
        self._keys.setdefault(key.blob_id, key)
        self._have[key] = self._have.get(key, 0) | 1 << chunk

    def missing(self, key: BlobKey) -> ChunkSet:
        """What is not here of a file."""
        return bitset.span(0, key.chunk_count) & ~self._have.get(key, 0)

    def lend(self, blob_id: BlobId) -> LentBlob | None:
        """See `Lender.lend`."""
        key = self._keys.get(blob_id)
        return Lent(key, self._have[key]) if key else None

    def blob_ids(self) -> Sequence[BlobId]:
        """See `Lender.blob_ids`."""
        return list(self._keys)

    def whole(self, blob_ids: Sequence[BlobId]) -> Sequence[BlobId]:
        """See `Lender.whole`."""
        return [blob_id for blob_id in blob_ids if (key := self._keys.get(blob_id)) and not self.missing(key)]
