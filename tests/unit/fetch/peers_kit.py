"""Twins of other nodes for the tests of fetching: an exchange that gives out what it is told, streams on command."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import xxhash

from cachefs.errors import PeerUnavailable
from cachefs.fetch import FetchSettings
from cachefs.ports import Origin
from cachefs.sharing import Ask, ChunkSet, ChunkStream, PeerChunk, Want
from cachefs.types import BlobId, BlobKey, Deadline
from tests.unit.fetch.kit import CHUNK, LIMIT_SECONDS, World

EVERYTHING: ChunkSet = (1 << 10_000) - 1

Script = Callable[[bytes], ChunkStream]
"""What a peer answers when it is asked for a chunk of these bytes. May raise PeerError."""


class PeerStream:
    """A `ChunkStream` of `pieces`; where one is None it waits until `gate` is opened or it is cancelled."""

    def __init__(self, pieces: Sequence[bytes | None], digest: bytes, error: Exception | None = None) -> None:
        self.digest = digest
        self.gate = threading.Event()
        self.waits = threading.Event()
        """Set when it has come to the gate."""
        self.cancelled = False
        self.closed = 0
        self._pieces = pieces
        self._error = error

    def __iter__(self) -> Iterator[memoryview]:
        for piece in self._pieces:
            if piece is None:
                self._wait()
            else:
                yield memoryview(piece)
        if self._error:
            raise self._error

    def close(self) -> None:
        self.closed += 1

    def cancel(self) -> None:
        self.cancelled = True
        self.gate.set()

    def _wait(self) -> None:
        self.waits.set()
        assert self.gate.wait(LIMIT_SECONDS)
        if self.cancelled:
            raise PeerUnavailable("cancelled")


def whole(data: bytes) -> PeerStream:
    """A healthy peer."""
    middle = len(data) // 2
    return PeerStream([data[:middle], data[middle:]], xxhash.xxh3_128_digest(data))


def halting(data: bytes) -> PeerStream:
    """Sends half, then nothing until its gate is opened, then the rest."""
    middle = len(data) // 2
    return PeerStream([data[:middle], None, data[middle:]], xxhash.xxh3_128_digest(data))


def refusing(error: Exception) -> Script:
    """Does not even begin."""

    def script(_data: bytes) -> ChunkStream:
        raise error

    return script


def breaking(error: Exception) -> Script:
    """Breaks off half way."""
    return lambda data: PeerStream([data[: len(data) // 2]], xxhash.xxh3_128_digest(data), error)


class TwinChunk:
    """A `PeerChunk` whose peer follows a script."""

    def __init__(self, blob: BlobId, chunk: int, peer: str, data: bytes, script: Script) -> None:
        self.blob, self.chunk, self.peer = blob, chunk, peer
        self.stream: ChunkStream | None = None
        self._data, self._script = data, script

    def open(self, deadline: Deadline) -> ChunkStream:
        self.stream = self._script(self._data)
        return self.stream


class TwinExchange:
    """An `Exchange` that gives out `offers` of each blob, allows the origin `allowed`, and remembers everything.

    Peers answer by `scripts`, one for each request, then healthily. `hedge` has a second peer asked.
    """

    def __init__(self) -> None:
        self.content: dict[BlobId, tuple[BlobKey, bytes]] = {}
        self.offers: dict[BlobId, ChunkSet] = {}
        self.allowed: ChunkSet = EVERYTHING
        self.scripts: deque[Script] = deque()
        self.wanted: dict[BlobKey, Want] = {}
        self.demands: list[dict[BlobKey, Want]] = []
        self.asks: list[list[Ask]] = []
        self.most: list[int] = []
        self.urgent: list[ChunkSet] = []
        self.given: list[TwinChunk] = []
        self.raced: list[TwinChunk] = []
        self.reports: list[tuple[PeerChunk, Exception | None, int]] = []
        self.origin_calls: list[tuple[str, range]] = []
        self.published: list[int] = []
        self.losses: list[BlobId] = []
        self.wake: Callable[[], None] = lambda: None
        self._late: deque[tuple[BlobId, int, Script]] = deque()
        self._running: set[tuple[BlobId, int]] = set()

    def holds(self, key: BlobKey, data: bytes, chunks: ChunkSet = EVERYTHING) -> None:
        """Peers hold these chunks of a blob."""
        self.content[key.blob_id] = (key, data)
        self.offers[key.blob_id] = chunks & ((1 << key.chunk_count) - 1)

    def hedge(self, blob: BlobId, chunk: int, script: Script = whole) -> None:
        """The chunk is late: name another peer, which follows `script`, when the fetcher looks next."""
        self._late.append((blob, chunk, script))
        self.wake()

    # ------------------------------------------------------- `Exchange`

    def attach(self, wake: Callable[[], None]) -> None:
        self.wake = wake

    def demand(self, wants: Mapping[BlobKey, Want]) -> None:
        self.wanted = dict(wants)
        self.demands.append(self.wanted)

    def assign(self, asks: Sequence[Ask], most: int, now: float) -> list[PeerChunk]:
        self.asks.append(list(asks))
        self.most.append(most)
        picks: list[PeerChunk] = []
        for ask in asks:
            free = ask.chunks & self.offers.get(ask.blob, 0)
            for chunk in range(free.bit_length()):
                if free >> chunk & 1 and (ask.blob, chunk) not in self._running and len(picks) < most:
                    picks.append(self._give(ask.blob, chunk))
        return picks

    def origin(self, blob: BlobId, startable: ChunkSet, urgent: ChunkSet, now: float) -> ChunkSet:
        self.urgent.append(urgent)
        return startable & self.allowed

    def origin_started(self, blob: BlobId, chunks: range) -> None:
        self.origin_calls.append(("started", chunks))

    def origin_ended(self, blob: BlobId, chunks: range, landed: range, seconds: float) -> None:
        self.origin_calls.append(("ended", landed))

    def ended(self, chunk: PeerChunk, error: Exception | None, nbytes: int, seconds: float) -> None:
        assert seconds >= 0
        self.reports.append((chunk, error, nbytes))
        if chunk not in self.raced:
            self._running.discard((chunk.blob, chunk.chunk))

    def late(self, most: int, now: float) -> list[PeerChunk]:
        found: list[PeerChunk] = []
        while self._late and len(found) < most:
            blob, chunk, script = self._late.popleft()
            self.raced.append(self._chunk(blob, chunk, "racer", script))
            found.append(self.raced[-1])
        return found

    def landed(self, blob: BlobId, chunk: int) -> None:
        self.published.append(chunk)

    def lost(self, blob: BlobId) -> None:
        self.losses.append(blob)

    def next_change(self, now: float) -> float | None:
        return None

    # ---------------------------------------------------------- the rest

    def endings(self) -> list[type[Exception] | None]:
        """How each request ended, in order."""
        return [type(error) if error else None for _, error, _ in self.reports]

    def _give(self, blob: BlobId, chunk: int) -> TwinChunk:
        script = self.scripts.popleft() if self.scripts else whole
        self.given.append(self._chunk(blob, chunk, "first", script))
        self._running.add((blob, chunk))
        return self.given[-1]

    def _chunk(self, blob: BlobId, chunk: int, peer: str, script: Script) -> TwinChunk:
        key, data = self.content[blob]
        span = key.chunk_range(chunk)
        return TwinChunk(blob, chunk, peer, data[span.start : span.stop], script)


class SharedWorld(World):
    """A `World` with peers."""

    def __init__(
        self,
        root: Path,
        origin: Origin | None = None,
        changes: FetchSettings | None = None,
        *,
        chunk_bytes: int = CHUNK,
        capacity_bytes: int = 64 << 20,
    ) -> None:
        self.exchange = TwinExchange()
        super().__init__(
            root, origin, changes, exchange=self.exchange, chunk_bytes=chunk_bytes, capacity_bytes=capacity_bytes
        )

    def key(self, name: str, data: bytes) -> BlobKey:
        """The blob of an object that the origin has."""
        return BlobKey.of(self.put(name, data), self.store.chunk_bytes)
