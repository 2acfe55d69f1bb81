"""The fill threads, and what one of them does: take a span from its source into the cache, chunk by chunk.

The only threads of this package. Python runs once per piece (`PIECE_BYTES` at most) and hands it to large system calls.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Protocol

from cachefs.errors import CacheError, Interrupted, OriginProtocolError
from cachefs.fetch.span import Span
from cachefs.types import BlobKey, ByteRange, Deadline, ObjectInfo

log = logging.getLogger(__name__)


class ChunkSink(Protocol):
    """Takes the bytes of one chunk; see `cachefs.store.ChunkWriter`."""

    def write(self, piece: memoryview) -> None:
        """Append."""

    def digest(self) -> bytes:
        """The xxh3-128 (16 bytes) of what was written so far."""
        ...

    def commit(self) -> object:
        """The chunk is whole: publish it."""

    def abort(self) -> None:
        """It will not become whole. May be called more than once, and after `commit`."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a span."""

    landed: range
    """The chunks that landed, from the start of the span."""
    landed_bytes: int
    error: Exception | None
    """Why it ended early; None when it is complete."""


@dataclass(frozen=True, slots=True)
class FillJob:
    """What a fill thread needs to know about a span."""

    span: Span
    info: ObjectInfo
    key: BlobKey
    open_sink: Callable[[int], ChunkSink]
    landed: Callable[[int], None]
    """Called after each chunk was published."""
    attempt_seconds: float

    def run(self) -> Outcome:
        """Fetch the span. Blocks. Raises nothing: failures are part of the outcome."""
        progress = _Progress(self)
        error: Exception | None = None
        try:
            self._fetch(progress)
        except CacheError as failure:
            error = failure
        except Exception as failure:
            log.exception("unexpected failure while reading %s", self.info.uri)
            error = failure
        finally:
            progress.abort()
        return Outcome(range(self.span.plan.chunks.start, progress.chunk), progress.landed_bytes, error)

    def _fetch(self, progress: _Progress) -> None:
        chunks = self.span.plan.chunks
        wanted = ByteRange(self.key.chunk_range(chunks.start).start, self.key.chunk_range(chunks.stop - 1).stop)
        pieces = self.span.plan.client.origin.read(self.info, wanted, Deadline.after(self.attempt_seconds))
        with _closed_early(pieces):
            for piece in pieces:
                progress.feed(memoryview(piece))
        if not progress.done:
            asked = f"bytes {wanted.start}-{wanted.stop}"
            raise OriginProtocolError(f"{self.info.uri}: the answer for {asked} ended within chunk {progress.chunk}")


class _Progress:
    """Cuts a stream of pieces at the borders of chunks, and lands each chunk."""

    def __init__(self, job: FillJob) -> None:
        self.chunk = job.span.plan.chunks.start
        self.landed_bytes = 0
        self._job = job
        self._end = job.span.plan.chunks.stop
        self._sink: ChunkSink | None = None
        self._filled_bytes = 0

    @property
    def done(self) -> bool:
        """Whether all chunks landed."""
        return self.chunk == self._end

    def feed(self, piece: memoryview) -> None:
        """Take `piece`."""
        if self._job.span.cancelled:
            raise Interrupted(f"{self._job.info.uri}: the daemon is stopping")
        self._job.span.heard_at = time.monotonic()
        while piece:
            if self.done:
                raise OriginProtocolError(f"{self._job.info.uri}: more bytes came than were asked for")
            part = piece[: len(self._job.key.chunk_range(self.chunk)) - self._filled_bytes]
            self._write(part)
            piece = piece[len(part) :]

    def abort(self) -> None:
        """Give up the chunk that is not whole, if there is one."""
        if self._sink is not None:
            self._sink.abort()
            self._sink = None

    def _write(self, part: memoryview) -> None:
        """The sink is opened with the first bytes in hand: by then the origin may have told the object's checksum."""
        self._filled_bytes += len(part)
        whole = self._filled_bytes == len(self._job.key.chunk_range(self.chunk))
        with self._job.span.storing():
            if self._sink is None:
                self._sink = self._job.open_sink(self.chunk)
            self._sink.write(part)
            if whole:
                self._sink.commit()
        if whole:
            self._landed()

    def _landed(self) -> None:
        size_bytes, self._filled_bytes = self._filled_bytes, 0
        self._sink = None
        self.landed_bytes += size_bytes
        self._job.span.plan.client.account("origin", size_bytes)
        self._job.landed(self.chunk)
        self.chunk += 1


@dataclass(frozen=True, slots=True)
class VerifyJob:
    """Hash the suspect chunks of a span instead of fetching them."""

    span: Span
    verify: Callable[[int], bool]
    landed: Callable[[int], None]

    def run(self) -> Outcome:
        """Verify the span. Blocks. What is bad becomes missing, and is fetched later."""
        chunk = self.span.plan.chunks.start
        try:
            while chunk < self.span.plan.chunks.stop and not self.span.cancelled:
                if self.verify(chunk):
                    self.landed(chunk)
                chunk += 1
        except Exception as failure:  # noqa: BLE001 - the loop must hear of it, whatever it is
            return Outcome(range(self.span.plan.chunks.start, chunk), 0, failure)
        return Outcome(range(self.span.plan.chunks.start, chunk), 0, None)


class FillThreads:
    """Up to `count` threads, started when there is work for them.

    They are daemons: a source that hangs beyond every deadline must not keep the process from ending.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()  # guards _threads, _idle and _stopped
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._idle = 0
        self._stopped = False

    def submit(self, work: Callable[[], None]) -> bool:
        """Run `work`, which must not raise, on one of the threads, soon. False after a stop: it will not run."""
        with self._lock:
            if self._stopped:
                return False
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._count:
                self._start()
            self._work.put(work)
            return True

    def stop(self, timeout_seconds: float) -> int:
        """Run what was handed in, then end the threads. Blocks. Returns how many did not end in time."""
        with self._lock:
            self._stopped = True
            for _ in self._threads:
                self._work.put(None)
        deadline = Deadline.after(timeout_seconds)
        for thread in self._threads:
            thread.join(deadline.remaining_seconds())
        return sum(thread.is_alive() for thread in self._threads)

    def _start(self) -> None:
        thread = threading.Thread(target=self._serve, name=f"mows-fill-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            with self._lock:
                self._idle += 1


def _closed_early(pieces: Iterator[memoryview]) -> AbstractContextManager[object]:
    """Closes a generator when the loop over it ends early; an iterator of another kind has nothing to close."""
    return closing(pieces) if hasattr(pieces, "close") else nullcontext()  # type: ignore[type-var]
