"""The exchange with peers as long as this node has not joined them yet.

A daemon that is started anew serves the mounts it took over at once; its peers it finds a second later. Until then it
fetches from the origin only what readers wait for: what is read ahead can wait for those who have it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from cachefs.sharing import Ask, ChunkSet, Exchange, PeerChunk, Want
from cachefs.types import BlobId, BlobKey


class LateExchange:
    """Implements `cachefs.sharing.Exchange`. After `join` it is that other exchange. Belongs to the loop."""

    def __init__(self) -> None:
        self._joined: Exchange | None = None
        self._copies: Callable[[BlobId], int] = lambda _: 0
        self._wake: Callable[[], None] = lambda: None
        self._wants: Mapping[BlobKey, Want] = {}
        self._running: list[tuple[BlobId, range]] = []

    def join(self, exchange: Exchange, copies: Callable[[BlobId], int]) -> None:
        """Ask `exchange` from now on. What it missed is told."""
        self._copies = copies
        self._joined = exchange  # first: what lands from now on, on other threads, is told by them
        exchange.attach(self._wake)
        exchange.demand(self._wants)
        for blob, chunks in self._running:
            exchange.origin_started(blob, chunks)
        self._wake()

    def copies(self, blob: BlobId) -> int:
        """How many other nodes have a blob; 0 as long as nobody was asked. Quick. Any thread."""
        return self._copies(blob)

    def attach(self, wake: Callable[[], None]) -> None:
        """See `Exchange.attach`."""
        self._wake = wake

    def demand(self, wants: Mapping[BlobKey, Want]) -> None:
        """See `Exchange.demand`."""
        self._wants = wants
        if self._joined:
            self._joined.demand(wants)

    def assign(self, asks: Sequence[Ask], most: int, now: float) -> list[PeerChunk]:
        """See `Exchange.assign`."""
        return self._joined.assign(asks, most, now) if self._joined else []

    def origin(self, blob: BlobId, startable: ChunkSet, urgent: ChunkSet, now: float) -> ChunkSet:
        """See `Exchange.origin`."""
        return self._joined.origin(blob, startable, urgent, now) if self._joined else urgent

    def origin_started(self, blob: BlobId, chunks: range) -> None:
        """See `Exchange.origin_started`."""
        if self._joined:
            self._joined.origin_started(blob, chunks)
        else:
            self._running.append((blob, chunks))

    def origin_ended(self, blob: BlobId, chunks: range, landed: range, seconds: float) -> None:
        """See `Exchange.origin_ended`."""
        if self._joined:
            self._joined.origin_ended(blob, chunks, landed, seconds)
        else:
            self._running.remove((blob, chunks))

    def ended(self, chunk: PeerChunk, error: Exception | None, nbytes: int, seconds: float) -> None:
        """See `Exchange.ended`."""
        assert self._joined
        self._joined.ended(chunk, error, nbytes, seconds)

    def late(self, most: int, now: float) -> list[PeerChunk]:
        """See `Exchange.late`."""
        return self._joined.late(most, now) if self._joined else []

    def landed(self, blob: BlobId, chunk: int) -> None:
        """See `Exchange.landed`. Before peers are joined nobody follows; they are told of what is in the store then."""
        if self._joined:
            self._joined.landed(blob, chunk)

    def lost(self, blob: BlobId) -> None:
        """See `Exchange.lost`."""
        if self._joined:
            self._joined.lost(blob)

    def next_change(self, now: float) -> float | None:
        """See `Exchange.next_change`."""
        return self._joined.next_change(now) if self._joined else None
