"""What a fill thread does with a chunk that a peer sends: into the cache, or into memory where it races another peer.

The peer says which hash the chunk has, as whoever had it from the origin took it. Nothing is published before the
bytes that came have that hash.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass

import xxhash

from cachefs.errors import CacheError, Interrupted, PeerCorrupt, PeerProtocolError
from cachefs.fetch.fill import ChunkSink, Outcome
from cachefs.fetch.span import Span
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Deadline

log = logging.getLogger(__name__)

SOURCE = "peer"


@dataclass(frozen=True, slots=True)
class PeerJob:
    """Fetch the one chunk of a span from the peer it was assigned to."""

    span: Span
    key: BlobKey
    open_sink: Callable[[int], ChunkSink]
    landed: Callable[[int], None]
    attempt_seconds: float

    def run(self) -> Outcome:
        """Blocks. Raises nothing: failures are part of the outcome."""
        return _publish(self.span, self.key, self._fetch, self.landed)

    def _fetch(self) -> None:
        sink: ChunkSink | None = None
        try:
            with closing(_opened(self.span, self.attempt_seconds)) as stream:
                sink = self.open_sink(self.span.plan.chunks.start)
                _copy(self.span, self.key, sink.write)
                with self.span.storing():
                    _compare(self.span, self.key, sink.digest(), stream.digest)
                    sink.commit()
        finally:
            if sink is not None:
                sink.abort()


class HedgeJob:
    """Fetch a chunk into memory, while the peer that was asked first may still bring it."""

    def __init__(self, span: Span, key: BlobKey, attempt_seconds: float) -> None:
        self.data = bytearray()
        """The chunk, once `run` ended without an error."""
        self._span = span
        self._key = key
        self._attempt_seconds = attempt_seconds

    def run(self) -> Outcome:
        """As `PeerJob.run`, but nothing landed yet: see `KeepJob`."""
        chunk = self._span.plan.chunks.start
        error = _caught(self._span, self._fetch)
        return Outcome(range(chunk, chunk), len(self.data) if error is None else 0, error)

    def _fetch(self) -> None:
        with closing(_opened(self._span, self._attempt_seconds)) as stream:
            _copy(self._span, self._key, self.data.extend)
            _compare(self._span, self._key, xxhash.xxh3_128_digest(self.data), stream.digest)


@dataclass(frozen=True, slots=True)
class KeepJob:
    """Put a chunk that won its race into the cache."""

    span: Span
    key: BlobKey
    data: bytearray
    open_sink: Callable[[int], ChunkSink]
    landed: Callable[[int], None]

    def run(self) -> Outcome:
        """Blocks on the disk. Raises nothing."""
        return _publish(self.span, self.key, self._keep, self.landed)

    def _keep(self) -> None:
        sink = self.open_sink(self.span.plan.chunks.start)
        try:
            sink.write(memoryview(self.data))
            sink.commit()
        finally:
            sink.abort()


def _publish(span: Span, key: BlobKey, store: Callable[[], None], landed: Callable[[int], None]) -> Outcome:
    """What became of a span whose chunk `store` puts into the cache."""
    chunk = span.plan.chunks.start
    error = _caught(span, store)
    if error is not None:
        return Outcome(range(chunk, chunk), 0, error)
    size_bytes = len(key.chunk_range(chunk))
    span.plan.client.account(SOURCE, size_bytes)
    landed(chunk)
    return Outcome(span.plan.chunks, size_bytes, None)


def _opened(span: Span, attempt_seconds: float) -> ChunkStream:
    assert span.plan.peer is not None
    span.stream = span.plan.peer.open(Deadline.after(attempt_seconds))
    return span.stream


def _copy(span: Span, key: BlobKey, write: Callable[[memoryview], object]) -> None:
    assert span.stream is not None
    left = len(key.chunk_range(span.plan.chunks.start))
    for piece in span.stream:
        if span.cancelled:
            raise Interrupted(f"{key.uri}: chunk {span.plan.chunks.start} was called off")
        left -= len(piece)
        if left < 0:
            break
        with span.storing():
            write(piece)
    if left:
        raise PeerProtocolError(f"{_name(span, key)}: {abs(left)} bytes too {'few' if left > 0 else 'many'} came")


def _compare(span: Span, key: BlobKey, found: bytes, told: bytes) -> None:
    if found != told:
        raise PeerCorrupt(f"{_name(span, key)}: the bytes have the hash {found.hex()}, its index says {told.hex()}")


def _name(span: Span, key: BlobKey) -> str:
    peer = span.plan.peer.peer if span.plan.peer else "?"
    return f"peer {peer}: chunk {span.plan.chunks.start} of {key.uri}"


def _caught(span: Span, fetch: Callable[[], None]) -> Exception | None:
    """What `fetch` raised. Whatever a cancelled one failed with, it was called off."""
    try:
        fetch()
    except CacheError as error:
        return Interrupted(str(error)) if span.cancelled else error
    except Exception as error:
        log.exception("unexpected failure with chunk %d of blob %s", span.plan.chunks.start, span.plan.blob)
        return error
    return None
