"""What of a blob is in this node's store."""

from __future__ import annotations

from cachefs.sharing import ChunkSet, Lender
from cachefs.types import BlobId


def stock(lender: Lender, blob: BlobId) -> tuple[int, ChunkSet]:
    """How many chunks the blob has, and which of them are here; zeros when it cannot be lent. May touch files."""
    lent = lender.lend(blob)
    if lent is None:
        return 0, 0
    try:
        return lent.key.chunk_count, lent.have
    finally:
        lent.release()
