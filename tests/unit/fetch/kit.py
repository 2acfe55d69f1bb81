"""What the tests of fetching share: replies that remember, origins that misbehave on command, a small store."""

from __future__ import annotations

import asyncio
import errno
import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xxhash

from cachefs.fetch import CachedFile, Fetcher, FetchSettings
from cachefs.fetch.fill import ChunkSink
from cachefs.fetch.span import Client
from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Buffer, Origin, Waited
from cachefs.sharing import Exchange
from cachefs.store import Store, TierSettings
from cachefs.types import BlobId, BlobKey, ByteRange, Deadline, ObjectInfo
from tests.waiting import until

KIB = 1 << 10
CHUNK = 16 * KIB
LIMIT_SECONDS = 60.0
"""Only so that a broken test fails instead of hanging."""

BLOB = BlobId("00" * 16)
KEY = BlobKey("memory://bucket/x", "1", 10 * CHUNK, CHUNK)


class Reply:
    """A `ReadReply` that keeps its answers, of which there should be one."""

    def __init__(self, *, wanted: bool = True) -> None:
        self._wanted = wanted
        self.answers: list[bytes | int] = []
        self.spent: list[Waited] = []
        """What was told of the waiting; one row at most. Told after the answer."""
        self._answered = threading.Event()

    def file(self, fd: int, offset: int, length: int) -> OSError | None:
        data = os.pread(fd, length, offset)
        if len(data) != length:
            return OSError(errno.EIO, "the file ends early")
        self._add(data)
        return None

    def data(self, data: Buffer) -> None:
        self._add(bytes(data))

    def error(self, errno: int) -> bool:
        self._add(errno)
        return self._wanted

    def waited(self, waited: Waited) -> None:
        self.spent.append(waited)

    def wait(self) -> bytes | int:
        """The one answer, once it has come."""
        assert self._answered.wait(LIMIT_SECONDS), "the read was never answered"
        (answer,) = self.answers
        return answer

    def _add(self, answer: bytes | int) -> None:
        self.answers.append(answer)
        self._answered.set()


Fault = Callable[[Iterator[memoryview]], Iterator[memoryview]]
"""What becomes of the answer to one request."""


@dataclass
class WrappedOrigin:
    """An origin whose `read` a test wraps. Everything else goes through."""

    inner: Origin

    @property
    def authority(self) -> str:
        return self.inner.authority

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        return self.inner.list(prefix, deadline)

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        return self.inner.stat(key, deadline)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        return self.inner.read(info, span, deadline)

    def close(self) -> None:
        self.inner.close()


@dataclass
class ScriptedOrigin(WrappedOrigin):
    """Remembers what it was asked, and applies one fault of the script to each request until none is left."""

    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    requests: list[tuple[str, ByteRange]] = field(default_factory=list)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        self.requests.append((info.key, span))
        try:
            fault = self.always or self.faults.popleft()
        except IndexError:
            return self.inner.read(info, span, deadline)
        return fault(self.inner.read(info, span, deadline))

    def chunks_asked(self, chunk_bytes: int = CHUNK) -> list[int]:
        """Every chunk of every request, in order."""
        return [
            chunk
            for _, span in self.requests
            for chunk in range(span.start // chunk_bytes, -(-span.stop // chunk_bytes))
        ]


@dataclass
class GatedOrigin(WrappedOrigin):
    """Holds every answer back until the gate is opened; lets a test wait for requests instead of sleeping."""

    gate: threading.Event = field(default_factory=threading.Event)
    asked: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    spans: list[ByteRange] = field(default_factory=list)

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        self.spans.append(span)
        self.asked.release()
        assert self.gate.wait(LIMIT_SECONDS)
        yield from self.inner.read(info, span, deadline)

    def wait_asked(self, requests: int = 1) -> None:
        """Return after that many further requests arrived."""
        for _ in range(requests):
            assert self.asked.acquire(timeout=LIMIT_SECONDS), "the origin was not asked"


def fails(error: Exception) -> Fault:
    """No byte comes."""

    def fault(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        for _ in pieces:
            raise error
        yield memoryview(b"")

    return fault


def breaks_after(nbytes: int, error: Exception | None = None) -> Fault:
    """The answer breaks off in mid-body: with `error`, or just ends."""

    def fault(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
        left = nbytes
        for piece in pieces:
            yield piece[:left]
            left -= len(piece[:left])
            if not left:
                break
        if error is not None:
            raise error

    return fault


def overruns(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """More bytes come than were asked for."""
    yield from pieces
    yield memoryview(b"surplus")


def dribbles(pieces: Iterator[memoryview]) -> Iterator[memoryview]:
    """The bytes come in small pieces that respect no border."""
    for piece in pieces:
        for start in range(0, len(piece), 10_007):
            yield piece[start : start + 10_007]


def open_store(root: Path, capacity_bytes: int = 64 << 20, chunk_bytes: int = CHUNK) -> Store:
    return Store([TierSettings(root / "tier", capacity_bytes)], chunk_bytes=chunk_bytes)


def settings(**changes: float) -> FetchSettings:
    """Small and impatient: retries come at once, memory is eight chunks."""
    defaults: dict[str, float] = {
        "memory_bytes": 16 * (1 << 20),
        "initial_concurrency": 4,
        "max_concurrency": 8,
        "span_bytes": 4 * CHUNK,
        "backoff_base_seconds": 0.001,
        "backoff_cap_seconds": 0.01,
        "header_bytes": CHUNK // 2,
        "read_deadline_seconds": LIMIT_SECONDS,
        "stop_seconds": LIMIT_SECONDS,
    }
    return FetchSettings(**{**defaults, **changes})  # type: ignore[arg-type]


def no_account(_source: str, _nbytes: int) -> None:
    """For tests that do not look at it."""


def client(origin: Origin | None = None) -> Client:
    return Client(origin or MemoryOrigin(), no_account)


def content(size: int, seed: int = 1) -> bytes:
    """Bytes of which no two chunks are alike, the same for the same seed."""
    return random.Random(seed).randbytes(size)


@dataclass
class Desk:
    """Sinks, and what reached them."""

    chunks: dict[int, bytes] = field(default_factory=dict)
    landed: list[int] = field(default_factory=list)
    aborted: list[int] = field(default_factory=list)
    accounted: list[tuple[str, int]] = field(default_factory=list)

    def open_sink(self, chunk: int) -> ChunkSink:
        return Sink(self, chunk)


@dataclass
class Sink:
    """Keeps the bytes of one chunk."""

    desk: Desk
    chunk: int
    data: bytearray = field(default_factory=bytearray)

    def write(self, piece: memoryview) -> None:
        self.data += piece

    def digest(self) -> bytes:
        return xxhash.xxh3_128_digest(self.data)

    def commit(self) -> None:
        self.desk.chunks[self.chunk] = bytes(self.data)

    def abort(self) -> None:
        self.desk.aborted.append(self.chunk)


class World:
    """A store, an origin with one object, and a fetcher."""

    def __init__(
        self,
        root: Path,
        origin: Origin | None = None,
        changes: FetchSettings | None = None,
        *,
        exchange: Exchange | None = None,
        chunk_bytes: int = CHUNK,
        capacity_bytes: int = 64 << 20,
    ) -> None:
        self.memory = MemoryOrigin()
        self.origin: Origin = origin or self.memory
        self.store: Store = open_store(root, capacity_bytes, chunk_bytes)
        self.fetcher = Fetcher(self.store, changes or settings(), exchange=exchange)
        self.accounted: list[tuple[str, int]] = []

    def put(self, key: str, data: bytes = b"") -> ObjectInfo:
        return self.memory.put(key, data)

    def open(self, info: ObjectInfo, following: Sequence[ObjectInfo] = ()) -> CachedFile:
        return self.fetcher.open(info, self.origin, account=self.account, following=lambda: following)

    def account(self, source: str, count: int) -> None:
        self.accounted.append((source, count))


async def read(file: CachedFile, offset: int, size: int) -> bytes | int:
    """As a device thread does it."""
    reply = Reply()
    file.read(offset, size, reply)
    return await asyncio.to_thread(reply.wait)


async def in_threads(count: int, work: Callable[[int], None]) -> None:
    """Run `work(0)`, ..., all at once, each in a thread of its own: asyncio's pool may be smaller than `count`."""
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)


async def resident(world: World, infos: Sequence[ObjectInfo]) -> None:
    """Return when all of them are in the store."""
    await until(lambda: all(world.fetcher.resident_bytes(info) == info.size_bytes for info in infos))


def data_files(store: Store) -> list[Path]:
    return [path for tier in store.statistics().tiers for path in tier.path.glob("blobs/*/*/data")]
