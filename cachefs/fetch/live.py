"""Blobs that somebody uses now: what threads need of them, and what the loop keeps about them.

A live blob holds one reference to the store's blob for all its users. When the store has no room for a blob at all, the
live blob stands alone, and its reads are answered from the overflow.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from cachefs.errno_table import errno_of
from cachefs.errors import Interrupted, NoSpace, StoreError, TierUnavailable
from cachefs.fetch.failures import Notices, log_failed_read
from cachefs.fetch.fill import ChunkSink
from cachefs.fetch.flights import Flights
from cachefs.fetch.overflow import Overflow, OverflowWriter
from cachefs.fetch.parked import ParkedRead, Parking, ParkingLot
from cachefs.fetch.span import Span
from cachefs.fetch.statistics import Counters
from cachefs.ports import Origin, ReadReply
from cachefs.store import Blob, ChunkState, Store, WrittenAlready
from cachefs.types import BlobId, BlobKey, ByteRange, ObjectInfo

if TYPE_CHECKING:
    from cachefs.fetch.file import CachedFile
    from cachefs.fetch.warm import Warm

log = logging.getLogger(__name__)


@runtime_checkable
class KnowsChecksums(Protocol):
    """An origin that learns the CRC-64/XZ of a whole object while it reads parts of it (OSS does)."""

    def crc64_of(self, info: ObjectInfo) -> int | None:
        """The CRC-64/XZ of exactly this version, if it is known by now."""
        ...


class LiveBlob:
    """One blob in use. Methods may be called from any thread; the attributes of the second group belong to the loop."""

    def __init__(
        self,
        info: ObjectInfo,
        authority: str,
        key: BlobKey,
        blob: Blob | StoreError,
        overflow: Overflow,
        counters: Counters,
    ) -> None:
        self.info = info
        self.authority = authority
        self.key = key
        self.blob_id: BlobId = key.blob_id
        self.blob: Blob | None = blob if isinstance(blob, Blob) else None
        self.refusal: StoreError | None = blob if isinstance(blob, StoreError) else None
        self.lot = ParkingLot(self._missing)
        self.references = 0  # guarded by the lock of `LiveBlobs`
        self._overflow = overflow
        self._counters = counters

        self.bypassed_until = 0.0
        """Until then chunks go to memory instead of the store; 0 when they do not."""
        self.flights = Flights(key.chunk_count, self.state)
        self.files: set[CachedFile] = set()
        self.warms: list[Warm] = []
        self.read_ahead = True
        """False after a failure, until something lands again: nobody waits for what is read ahead."""
        self.last_error: BaseException | None = None
        self.corruptions = 0
        self._given_up = 0
        self._lost = False
        """Set by any thread: bytes that were here cannot be read."""
        self.look_again = False
        """Set by any thread: the store knows more than the flights do."""

    @property
    def bypassed(self) -> bool:
        """Whether the store takes none of its chunks at present."""
        return self.blob is None or self.bypassed_until > 0.0

    @property
    def sealed(self) -> bool:
        """Whether every byte is in the store, and checked. An empty object has nothing to wait for."""
        return self.key.chunk_count == 0 or (self.blob is not None and self.blob.sealed)

    def serve(self, span: ByteRange, reply: ReadReply) -> bool:
        """Answer from the data file if all of `span` is there; False, and no answer, when it is not."""
        blob = self.blob
        chunks = blob.begin_use(span) if blob is not None else None
        if blob is None or chunks is None:
            return False
        try:
            error = reply.file(blob.fd, span.start, len(span))
        finally:
            blob.end_use(chunks)
        if error is not None:
            blob.unreadable(span, error)
            self._lost = True
        return error is None

    def state(self, chunk: int) -> ChunkState:
        """As the store says; while it is bypassed, a chunk in memory is PRESENT too. Takes no lock."""
        state = self.blob.state(chunk) if self.blob is not None else ChunkState.MISSING
        if state is ChunkState.PRESENT or not self.bypassed:
            return state
        return ChunkState.PRESENT if self._overflow.has(self.blob_id, chunk) else ChunkState.MISSING

    @property
    def window_bytes(self) -> int | None:
        """How far to read ahead of each reader while the blob lives in the store chunk by chunk; None: as far as set.

        At least one chunk.
        """
        window_bytes = self.blob.window_bytes if self.blob is not None else None
        return None if window_bytes is None else max(window_bytes, self.key.chunk_bytes)

    def notice_given_up(self) -> bool:
        """Whether chunks were given up or lost since the last call: they may be fetched again. On the loop.

        A warm-up that loses what it brought would never end.
        """
        if self._lost and self.blob is not None:
            self._lost = False
            self.flights.lost(~self.blob.have)
            return True
        if self.blob is None or self.blob.given_up == self._given_up:
            return False
        self._given_up = self.blob.given_up
        self.flights.lost(~self.blob.have)
        for file in self.files:
            file.spent = True
        for warm in self.warms:
            warm.fail(NoSpace(f"{self.info.uri}: does not fit into what can be freed of its tier"))
        return True

    def store_sink(self, origin: Origin, chunk: int) -> ChunkSink:
        """Puts the bytes of `chunk` into the store. Raises StoreError when it has no place for them.

        Where the store got the chunk from somebody else meanwhile, or is getting it, the bytes are kept in memory for
        those who wait for them now.
        """
        if self.blob is None:
            raise TierUnavailable(f"{self.info.uri}: {self.refusal}")
        if isinstance(origin, KnowsChecksums) and (crc64 := origin.crc64_of(self.info)) is not None:
            self.blob.expect_crc64(crc64)
        try:
            return self.blob.write(chunk)
        except WrittenAlready:
            return self.memory_sink(chunk)

    def memory_sink(self, chunk: int) -> ChunkSink:
        """Keeps the bytes of `chunk` in memory for a while."""
        return OverflowWriter(len(self.key.chunk_range(chunk)), lambda data: self._keep(chunk, data))

    def verify(self, chunk: int) -> bool:
        """Verify a suspect chunk. Blocks."""
        return self.blob is not None and self.blob.verify(chunk)

    def landed(self, chunk: int, span: Span | None = None) -> None:
        """`chunk`, which `span` brought, was published: answer the reads that waited for it."""
        ready, abandoned = self.lot.landed(chunk, span)
        for read in ready:
            self.answer(read)
        for read in abandoned:
            self.fail(read, Interrupted(f"{self.info.uri}: closed"))

    def answer(self, read: ParkedRead) -> None:
        """Answer a read of which nothing was missing a moment ago. If that is over, it waits again."""
        if read.parts:
            read.reply.data(b"".join(read.parts[chunk] for chunk in self.key.chunks_of(read.span)))
        elif not self.serve(read.span, read.reply):
            self._park_again(read)
            return
        now = time.monotonic()
        read.reply.waited(read.all_waited(now))
        self._counters.waited(now - read.parked_at, failed=False)

    def fail(self, read: ParkedRead, error: BaseException) -> None:
        """Answer a read with the errno of `error`, and log it. One that nobody waits for any more has not failed."""
        now = time.monotonic()
        waited_seconds = now - read.parked_at
        if not read.reply.error(errno_of(error)):
            return
        read.reply.waited(read.all_waited(now))
        self._counters.waited(waited_seconds, failed=True)
        log_failed_read(self.info.uri, read.span.start, error, waited_seconds, mount=read.client.mount)

    def fail_waiting(self, chunks: range, error: Exception) -> None:
        """A failure reaches everyone who waits for `chunks`, and every warm-up. On the loop."""
        for read in self.lot.take(chunks):
            self.fail(read, error)
        for warm in self.warms:
            warm.fail(error)
        self.read_ahead = False

    def _park_again(self, read: ParkedRead) -> None:
        """The chunk was given up after it landed, before it was read. The loop looks when this span ends."""
        parking = self.lot.park(read)
        if parking is Parking.READY:
            self.answer(read)
        elif parking is Parking.CLOSED:
            self.fail(read, Interrupted(f"{self.info.uri}: closed"))

    def _missing(self, read: ParkedRead) -> int | None:
        """The first chunk that `read` misses. Copies what may be gone when the rest of it lands.

        That is what only memory holds, and, of a read of several chunks, what the store holds. So each chunk that lands
        brings the read further, even if no two of them fit into the cache at once.
        """
        chunks = self.key.chunks_of(read.span)
        if not read.parts and self.blob is not None and self.blob.resident(read.span):
            return None
        for chunk in chunks:
            if chunk in read.parts:
                continue
            if len(chunks) == 1 and self.blob is not None and self.blob.state(chunk) is ChunkState.PRESENT:
                continue
            part = self._part(read.span, chunk)
            data = self._from_store(part) or self._from_memory(chunk, part)
            if data is None:
                return chunk
            read.parts[chunk] = data
        return None

    def _from_store(self, part: ByteRange) -> bytes | None:
        """The bytes of a part of a chunk, if they can be read."""
        blob = self.blob
        chunks = blob.begin_use(part) if blob is not None else None
        if blob is None or chunks is None:
            return None
        try:
            data = os.pread(blob.fd, len(part), part.start)
        except OSError as error:
            log.warning("%s: the cache file fails at %d: %s", self.info.uri, part.start, error)
            blob.check(chunks.start)  # what cannot be read is MISSING from now on
            return None
        finally:
            blob.end_use(chunks)
        return data if len(data) == len(part) else None

    def _from_memory(self, chunk: int, part: ByteRange) -> bytes | None:
        data = self._overflow.get(self.blob_id, chunk)
        if data is None:
            return None
        self._counters.add("overflow_hits")
        base = self.key.chunk_range(chunk).start
        return bytes(memoryview(data)[part.start - base : part.stop - base])

    def _part(self, span: ByteRange, chunk: int) -> ByteRange:
        whole = self.key.chunk_range(chunk)
        return ByteRange(max(span.start, whole.start), min(span.stop, whole.stop))

    def _keep(self, chunk: int, data: bytearray) -> None:
        self._overflow.put(self.blob_id, chunk, data)


class LiveBlobs:
    """The table of live blobs, by id. Thread-safe."""

    def __init__(self, store: Store, overflow: Overflow, counters: Counters, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._overflow = overflow
        self._counters = counters
        self._lock = threading.Lock()  # guards _table, _closed and the reference counts
        self._table: dict[BlobId, LiveBlob] = {}
        self._closed = False

    def hold(self, info: ObjectInfo, authority: str) -> LiveBlob:
        """The live blob of `info`, which lies at `authority`, with one more reference.

        Touches the store's files, but no network. What the store refuses is logged, and is no error here.
        """
        key = BlobKey.of(info, self._store.chunk_bytes)
        with self._lock:
            live = self._table.get(key.blob_id)
            if live is not None and live.blob is not None:
                live.references += 1
                return live
        return self._join(LiveBlob(info, authority, key, self._acquire(info), self._overflow, self._counters))

    def share(self, live: LiveBlob) -> None:
        """One more reference, by somebody who knows that there is one."""
        with self._lock:
            live.references += 1

    def drop(self, live: LiveBlob) -> None:
        """Give a reference back. With the last one goes the store's, and reads that still wait are failed."""
        with self._lock:
            live.references -= 1
            if live.references:
                return
            del self._table[live.blob_id]
        for read in live.lot.close():
            live.fail(read, Interrupted(f"{live.info.uri}: closed while this read waited"))
        self._overflow.drop(live.blob_id)
        if live.blob is not None:
            live.blob.release()

    def close(self) -> None:
        """No read is parked any more; those that are, fail."""
        with self._lock:
            self._closed = True
            lives = list(self._table.values())
        for live in lives:
            self._abandon(live)

    def _acquire(self, info: ObjectInfo) -> Blob | StoreError:
        try:
            return self._store.acquire(info)
        except StoreError as error:
            self._counters.add("store_faults")
            self._notices.store_refused(info.uri, error)
            return error

    def _join(self, fresh: LiveBlob) -> LiveBlob:
        """`fresh`, or the one that somebody else put into the table meanwhile."""
        spare = None
        with self._lock:
            live = self._table.setdefault(fresh.blob_id, fresh)
            live.references += 1
            if live is not fresh and live.blob is None:
                live.blob, live.refusal = fresh.blob, fresh.refusal  # there is room now
                live.look_again = True
            elif live is not fresh:
                spare = fresh.blob
            closed = self._closed
        if spare is not None:
            spare.release()
        if closed:
            self._abandon(live)
        return live

    def _abandon(self, live: LiveBlob) -> None:
        for read in live.lot.close():
            live.fail(read, Interrupted(f"{live.info.uri}: the daemon is stopping"))
