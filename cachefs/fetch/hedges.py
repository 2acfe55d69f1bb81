"""Chunks that are asked of a second peer because the first is late: whichever is whole first is kept.

Only one writer may write a chunk into the store, and the first peer's bytes go there as they come. So the second peer's
go to memory; when they are whole and have their hash, the first span is called off, and once its writer let go of the
chunk the bytes in memory are written instead. Owned by the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from cachefs.fetch.span import Span
from cachefs.types import BlobId


class Hedges:
    """The chunks whose race is won and whose first span still has to let go."""

    def __init__(self) -> None:
        self._won: dict[tuple[BlobId, int], bytearray] = {}

    def won(self, blob: BlobId, chunk: int, data: bytearray, spans: Iterable[Span]) -> None:
        """The second peer's bytes are whole. If no peer is asked for them any more, they are not needed.

        The first may have failed, and the origin been asked since: that request is not this race's to call off.
        """
        for span in _of_peers(blob, chunk, spans):
            if not span.cancelled:
                self._won[blob, chunk] = data
                span.cancel()

    def lost(self, blob: BlobId, chunk: int, spans: Iterable[Span]) -> None:
        """The first peer's chunk landed: nobody needs what the second still sends."""
        for span in _of_peers(blob, chunk, spans):
            span.cancel()

    def taken(self, span: Span, *, landed: bool) -> bytearray | None:
        """The first span ended: the bytes to keep instead, unless its own landed."""
        data = self._won.pop((span.plan.blob, span.plan.chunks.start), None)
        return None if landed else data


def _of_peers(blob: BlobId, chunk: int, spans: Iterable[Span]) -> Iterator[Span]:
    """The requests to peers for this chunk."""
    return (span for span in spans if span.plan.peer and span.plan.blob == blob and chunk in span.plan.chunks)
