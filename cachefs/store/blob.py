"""One blob: which of its chunks are here, and how a chunk becomes one of them.

State of a chunk is read without a lock, since the answer is one byte. It is changed under the blob's lock. Who reads
from the data file of a blob that is not complete counts as a user of the chunk meanwhile (`cachefs.store.uses`), since
chunks of it may be given up. Room is not decided here: the blob asks its `BlobHost`, the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from cachefs import bitset
from cachefs.errors import CorruptBlob, TierUnavailable
from cachefs.sharing import ChunkSet
from cachefs.store.counters import Counters, Event
from cachefs.store.data_file import DataFile
from cachefs.store.host import BlobHost
from cachefs.store.index import Index, runs
from cachefs.store.meta import Meta, write_meta
from cachefs.store.oscalls import Calls, Step
from cachefs.store.tier import BlobFiles, Tier
from cachefs.store.uses import Uses
from cachefs.store.values import ChunkState
from cachefs.store.writer import ChunkWriter, WrittenAlready
from cachefs.types import BlobId, BlobKey, ByteRange

log = logging.getLogger(__name__)

FREEING_SECONDS = 30.0
"""The longest that a write waits for the blocks of the same chunk to be freed. A disk needs milliseconds."""

_STATES = tuple(ChunkState)


class Blob:
    """A blob in use. One object per blob id, shared by all who acquired it; usable until the last `release`.

    Methods may be called from any thread. Only `write`, `verify` and `check` do I/O that can take long.
    """

    def __init__(
        self,
        host: BlobHost,
        tier: Tier,
        meta: Meta,
        opened: tuple[BlobFiles, Index],
        *,
        calls: Calls,
        counters: Counters,
    ) -> None:
        files, index = opened
        self.key: BlobKey = meta.key
        self.blob_id: BlobId = meta.key.blob_id
        self.data = DataFile(files.data_fd, meta.key, tier, calls)
        self.sealed: bool = False
        """Whether all chunks are PRESENT and have the object's CRC-64, where that is known."""
        self.rejected: bool = False
        """Whether the whole turned out to be wrong, and was not right since. True before the first chunk is MISSING."""
        self.kept: bool = False
        """Whether it was sealed since it was opened. Then none of its chunks is given up before its last release: the
        kernel may read the file by itself."""
        self.window_bytes: int | None = None
        """How far it is worth to read ahead of each reader, once chunks had to be given up for others; else None."""
        self.given_up: int = 0
        """How many chunks were given up since it was opened."""
        self.tier = tier
        self.meta = meta
        self._calls = calls
        self._counters = counters
        self._host = host
        self._files = files
        self._index = index
        self._states = index.states
        self.uses = Uses(index.states, host.turn)
        self._lock = threading.Lock()  # guards _index, _writing, _leaving, meta, sealed, kept and rejected
        self._departure = threading.Condition(self._lock)  # the blocks of a chunk were freed, or not
        self._writing: set[int] = set()
        self._leaving: set[int] = set()

    @property
    def fd(self) -> int:
        """The data file. Use it with explicit offsets only; it is closed with the last release."""
        return self.data.fd

    @property
    def resident_bytes(self) -> int:
        """Bytes in chunks that are PRESENT."""
        return self._bytes_in(ChunkState.PRESENT)

    @property
    def known_bytes(self) -> int:
        """Bytes in chunks that are PRESENT or SUSPECT."""
        return self._bytes_in(ChunkState.PRESENT) + self._bytes_in(ChunkState.SUSPECT)

    @property
    def have(self) -> ChunkSet:
        """The chunks that are PRESENT, as a bitset."""
        return bitset.where(self._states, ChunkState.PRESENT)

    def state(self, chunk: int) -> ChunkState:
        """The chunk's state now. IndexError beyond the last chunk."""
        return _STATES[self._states[chunk]]

    def resident(self, span: ByteRange) -> bool:
        """Whether all bytes of `span`, clipped to the object, are here now."""
        if self.sealed:
            return True
        chunks = self.key.chunks_of(span)
        return self._states.count(ChunkState.PRESENT, chunks.start, chunks.stop) == len(chunks)

    def begin_use(self, span: ByteRange) -> range | None:
        """As `resident`, and if so they stay here for reading from `fd` until `end_use` of what this gives, else None.

        Never waits, and takes no lock once the blob is sealed.
        """
        if self.sealed:
            return range(0)
        chunks = self.key.chunks_of(span)
        return chunks if self.uses.begin(chunks) else None

    def end_use(self, chunks: range) -> None:
        """The bytes were read."""
        if chunks:
            self.uses.end(chunks)

    def unreadable(self, span: ByteRange, error: OSError) -> None:
        """The data file failed a reader with `error`: what it holds of `span` becomes MISSING."""
        self.tier.fault(Step.DATA_READ, error)
        with self._lock:
            for chunk in self.key.chunks_of(span):
                if self._states[chunk] != ChunkState.MISSING and chunk not in self._writing:
                    self._reject(chunk)

    @contextmanager
    def held(self, chunk: int) -> Iterator[None]:
        """Until the block ends, the chunk is not given up if it is here: ask `state` or `digest` inside it."""
        self.uses.hold(chunk)
        try:
            yield
        finally:
            self.uses.end(range(chunk, chunk + 1))

    def digest(self, chunk: int) -> bytes | None:
        """The xxh3-128 of a PRESENT chunk, else None."""
        with self._lock:
            return self._index.digest(chunk) if self.state(chunk) is ChunkState.PRESENT else None

    def expect_crc64(self, crc64: int) -> None:
        """The origin says what the CRC-64/XZ of the whole is. Ignored when that is known, or the blob is sealed."""
        if self.meta.crc64 is not None or self.sealed:
            return
        with self._lock:
            self.meta = replace(self.meta, crc64=crc64)
            try:
                write_meta(self._calls, self.tier.paths(self.blob_id), self.meta)
            except OSError as error:  # it is checked all the same, unless this process dies before the last chunk
                self.tier.fault(Step.META_WRITE, error)

    def write(self, chunk: int) -> ChunkWriter:
        """Begin to write a chunk that is not PRESENT. The caller ends with `commit` or `abort` of what it gets.

        May evict cold blobs and chunks, and waits for what it evicts to be free. Raises NoSpace or TierUnavailable;
        WrittenAlready when the chunk is PRESENT or somebody writes it now.
        """
        span = self.key.chunk_range(chunk)
        with self._lock:
            if not self._departure.wait_for(lambda: chunk not in self._leaving, FREEING_SECONDS):
                raise TierUnavailable(f"{self.tier.path}: frees chunk {chunk} of {self.blob_id} for too long")
            if chunk in self._writing or self._states[chunk] == ChunkState.PRESENT:
                raise WrittenAlready(f"{self.key.uri}: chunk {chunk} is written already")
            self._writing.add(chunk)
        need_bytes = 0
        try:
            need_bytes = self.data.need_bytes(span)
            self._host.reserve(self.blob_id, need_bytes)
        except BaseException:
            with self._lock:
                self._writing.discard(chunk)
            raise
        writer = ChunkWriter(self, chunk, span, need_bytes, with_crc=self.meta.crc64 is not None)
        try:
            with self._lock:
                self._index.clear(chunk)
        except OSError as error:
            writer.abort()
            raise self.tier.fault(Step.INDEX_CLEAR, error) from error
        return writer

    def verify(self, chunk: int) -> bool:
        """Whether the chunk is PRESENT, after comparing a SUSPECT one with its hash. False: it is MISSING now."""
        if self._states[chunk] == ChunkState.SUSPECT:
            self.check(chunk)
        return self._states[chunk] == ChunkState.PRESENT

    def check(self, chunk: int) -> bool:
        """Compare a chunk that is PRESENT or SUSPECT with its hash; make it PRESENT, or MISSING (False) and count it.

        True also for a chunk that is MISSING. A chunk that cannot be read is MISSING.
        """
        with self.held(chunk):
            return self._check(chunk)

    def release(self) -> None:
        """Give the reference of one `acquire` back. The last one closes `fd`."""
        self._host.release(self.blob_id)

    # What follows is for the writer and the store.

    def publish(self, chunk: int, digest: bytes, crc64: int | None) -> None:
        """The data of the chunk is written. Raises CorruptBlob when it was the last one and the whole is wrong."""
        with self._lock:
            self.uses.touch(chunk)
            try:
                self._index.publish(chunk, digest, crc64)
            except OSError as error:
                raise self.tier.fault(Step.INDEX_BIT, error) from error
            self._complete()
        if self.sealed:
            log.info("blob %s in %s: sealed, all of %s is here", self.blob_id, self.tier.path, self.key.uri)

    def idle_bytes(self) -> int:
        """What `give_up` of all chunks would free, or nearly."""
        return 0 if self.kept else self.uses.idle() * self.key.chunk_bytes

    def give_up(self, chunk: int) -> int:
        """Make the chunk MISSING and free its blocks; returns their bytes. 0 when it is in use, kept, or gone already.

        Raises TierUnavailable, and then the chunk is MISSING and its blocks are not free.
        """
        with self._lock:
            if self.kept or chunk in self._writing or not self.uses.withdraw(chunk):
                return 0
            self.given_up += 1
            try:
                self._index.clear(chunk)
            except OSError as error:
                raise self.tier.fault(Step.INDEX_CLEAR, error) from error
            self._leaving.add(chunk)
        try:
            return self.data.punch(range(chunk, chunk + 1))
        finally:
            with self._lock:
                self._leaving.discard(chunk)
                self._departure.notify_all()

    def punch_missing(self) -> None:
        """Free what a crash left of chunks that are MISSING. Nobody writes. Raises TierUnavailable."""
        for run in runs(self._states, ChunkState.MISSING):
            self.data.punch(run)

    def finish(self, chunk: int, reserved_bytes: int) -> None:
        """The writer of the chunk is done, one way or the other."""
        with self._lock:
            self._writing.discard(chunk)
        self._host.settle(self.blob_id, reserved_bytes)

    def seal_if_complete(self) -> None:
        """For a blob of an earlier run. Raises CorruptBlob when all chunks are there and the whole is wrong."""
        with self._lock:
            self._complete()

    def close(self) -> None:
        """Close the files. The store calls it once, when nobody has a reference."""
        self.data.forget()
        self._files.close()

    def _check(self, chunk: int) -> bool:
        if self._states[chunk] == ChunkState.MISSING:
            return True
        digest = self.data.digest(chunk)
        if digest is not None:
            self._counters.add(Event.VERIFIED_BYTES, len(self.key.chunk_range(chunk)))
        with self._lock:
            if self._states[chunk] == ChunkState.MISSING or chunk in self._writing:  # it will be fetched anyway
                return True
            if digest == self._index.digest(chunk):
                return self._accept(chunk)
            self._reject(chunk)
            return False

    def _accept(self, chunk: int) -> bool:
        if self._states[chunk] == ChunkState.PRESENT:
            return True
        try:
            self._index.confirm(chunk)
            self._complete()
        except OSError as error:
            self.tier.fault(Step.INDEX_BIT, error)
        except CorruptBlob as error:
            log.warning("blob %s in %s: %s; all its chunks are misses", self.blob_id, self.tier.path, error)
            return False
        return True

    def _reject(self, chunk: int) -> None:
        self.sealed = False
        self._counters.add(Event.CORRUPT_CHUNKS)
        log.warning("blob %s in %s: chunk %d does not have its hash; it is a miss", self.blob_id, self.tier.path, chunk)
        self._clear(lambda: self._index.clear(chunk))

    def _complete(self) -> None:
        """Seal the blob if every chunk is PRESENT."""
        if self.sealed or self._states.count(ChunkState.PRESENT) != self.key.chunk_count:
            return
        expected = self.meta.crc64
        if expected is not None and (found := self.data.whole_crc64(self._index.crc64)) != expected:
            self._reject_all(expected, found)
        self.sealed, self.kept, self.rejected = True, True, False

    def _reject_all(self, expected: int, found: int | None) -> None:
        self._counters.add(Event.CORRUPT_BLOBS)
        self.rejected = True
        self._clear(self._index.clear_all)
        told = "unreadable" if found is None else f"{found:016x}"
        raise CorruptBlob(f"{self.key.uri}: CRC-64 of the whole is {told}, the origin says {expected:016x}")

    def _clear(self, clear: Callable[[], None]) -> None:
        """Where the index cannot be told that bytes are wrong, the blob must not be opened again from it."""
        try:
            clear()
        except OSError as error:
            self.tier.fault(Step.INDEX_CLEAR, error)
            self.tier.disown(self.blob_id)

    def _bytes_in(self, state: ChunkState) -> int:
        whole = self._states.count(state) * self.key.chunk_bytes
        if self._states and self._states[-1] == state:
            whole -= self.key.chunk_count * self.key.chunk_bytes - self.key.size_bytes
        return whole
