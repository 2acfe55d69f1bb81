"""A file in the cache, open for reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cachefs.errors import Interrupted
from cachefs.fetch.live import LiveBlob
from cachefs.fetch.parked import ParkedRead, Parking
from cachefs.fetch.readahead import Pattern, is_weight_file, observe
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.span import Client
from cachefs.ports import ReadReply
from cachefs.types import BlobId, ByteRange, ObjectInfo

Following = Callable[[], Sequence[ObjectInfo]]
"""The objects an engine will read next, soonest first. Called once at most, on a fill thread; may do I/O."""


@dataclass(frozen=True, slots=True)
class Followed:
    """The head of a file that an engine will read after the one it reads now."""

    live: LiveBlob
    head: range
    """Its first chunks."""


class Attention(Protocol):
    """The way from any thread to the loop that fetches."""

    def stir(self, file: CachedFile) -> None:
        """Something about `file` changed what should be fetched."""
        ...

    def closed(self, file: CachedFile) -> None:
        """`file` is closed: drop its read-ahead, and its reference to the blob."""
        ...

    def loading(self, model: str) -> bool:
        """Whether a weight file of this model (the directory's URI) was read beyond its header lately."""
        ...

    def loads(self, model: str) -> None:
        """It was now."""
        ...


class CachedFile:
    """What `Fetcher.open` gives. All methods may be called from any thread, and none blocks.

    All who read one file may share one of these: streams of reads are told apart by their offsets.
    """

    def __init__(
        self, live: LiveBlob, client: Client, following: Following, attention: Attention, settings: FetchSettings
    ) -> None:
        self.info = live.info
        self.blob_id: BlobId = live.blob_id
        self.live = live
        self.client = client
        self.following = following
        self.weights = is_weight_file(live.info.key)
        self._model = live.info.uri.rpartition("/")[0]
        self.hungry = not live.sealed or (self.weights and following is not tuple)
        """Whether reads may still tell the loop something it does not know. The loop sets it to False."""
        self.open = True
        self.asked = False
        """Whether `following` was called."""
        self.spent = False
        """Chunks of it had to go since it was read last: what is read ahead now would push out what was read ahead
        before, and so on for ever. The loop sets it, the next read clears it."""
        self.followed: list[Followed] = []
        self._attention = attention
        self._settings = settings
        self._pattern = Pattern()
        if live.sealed and self.hungry:  # the kernel will read it without us: what follows it must be asked for now
            self._pattern = Pattern(beyond_header=True)
            attention.stir(self)

    @property
    def pattern(self) -> Pattern:
        """What its reads looked like so far. Written without a lock: a lost update is a lost hint, nothing more."""
        return self._pattern

    @property
    def backing_fd(self) -> int | None:
        """The complete, verified data file, valid until `close`; None while chunks are missing."""
        blob = self.live.blob
        return blob.fd if blob is not None and blob.sealed else None

    @property
    def resident_bytes(self) -> int:
        """Bytes that are in the store now."""
        return self.live.blob.resident_bytes if self.live.blob is not None else 0

    def read(self, offset: int, size: int, reply: ReadReply) -> None:
        """Answer with up to `size` bytes at `offset`: at once on this thread if they are resident, else when they land.

        At or beyond the end the answer is empty. A read that cannot be answered within the deadline, or whose failure
        no retry helps, gets the errno of `cachefs.fetch.failures`.
        """
        stop = min(offset + size, self.info.size_bytes)
        if offset >= stop:
            reply.data(b"")
            return
        span = ByteRange(offset, stop)
        if self.live.serve(span, reply):
            if self.hungry and self._observe(span):
                self._attention.stir(self)
        else:
            self._observe(span)
            self._park(span, reply)

    def close(self) -> None:
        """Give the blob back. Idempotent. What was not started of its read-ahead is dropped."""
        if self.open:
            self.open = False
            self._attention.closed(self)

    def _park(self, span: ByteRange, reply: ReadReply) -> None:
        now = time.monotonic()
        read = ParkedRead(span, self.client, reply, now, now + self._settings.read_deadline_seconds)
        parking = self.live.lot.park(read)
        if parking is Parking.PARKED:
            self._attention.stir(self)
        elif parking is Parking.READY:
            self.live.answer(read)
            self._attention.stir(self)
        else:
            self.live.fail(read, Interrupted(f"{self.info.uri}: the daemon is stopping"))

    def _observe(self, span: ByteRange) -> bool:
        """Note a read. True when it tells more than the ones before: another chunk, or the first beyond the header."""
        self.spent = False
        before = self._pattern
        after = self._pattern = observe(before, span.start, span.stop, self._header_bytes())
        if self.weights and after.beyond_header:
            self._attention.loads(self._model)
        if not before.streams or after.beyond_header != before.beyond_header:
            return True
        chunk_bytes = self.live.key.chunk_bytes
        return before.streams[0].position // chunk_bytes != after.streams[0].position // chunk_bytes

    def _header_bytes(self) -> int:
        """What may be a look at the header only. Whoever loaded one shard and opens the next will load that, too."""
        return 0 if self.weights and self._attention.loading(self._model) else self._settings.header_bytes
