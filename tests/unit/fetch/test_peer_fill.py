"""A chunk from a peer on a fill thread: nothing is published before its bytes are whole and have their hash."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import xxhash

from cachefs.errors import (
    CacheError,
    Interrupted,
    NoSpace,
    PeerBusy,
    PeerCorrupt,
    PeerProtocolError,
    PeerUnavailable,
)
from cachefs.fetch.fill import ChunkSink, Outcome
from cachefs.fetch.peer_fill import HedgeJob, KeepJob, PeerJob
from cachefs.fetch.span import Client, Span, SpanPlan
from cachefs.origin.memory import MemoryOrigin
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Priority
from tests.unit.fetch.kit import CHUNK, LIMIT_SECONDS, Desk, content
from tests.unit.fetch.peers_kit import PeerStream, Script, TwinChunk, breaking, refusing, whole

SIZE = 3 * CHUNK - 100
DATA = content(SIZE)
KEY = BlobKey("memory://bucket/x", "1", SIZE, CHUNK)
LAST = 2
"""The short chunk."""


def part(chunk: int) -> bytes:
    span = KEY.chunk_range(chunk)
    return DATA[span.start : span.stop]


class Stage:
    """One span from one peer, which follows a script."""

    def __init__(self, script: Script, chunk: int = LAST) -> None:
        self.desk = Desk()
        self.chunk = chunk
        self.peer = TwinChunk(KEY.blob_id, chunk, "node-b", part(chunk), script)
        client = Client(MemoryOrigin(), lambda source, count: self.desk.accounted.append((source, count)))
        chunks = range(chunk, chunk + 1)
        plan = SpanPlan(KEY.blob_id, chunks, Priority.READER, False, 0, client, self.peer)
        self.span = Span(plan, started_at=0.0)

    def fetch(self, open_sink: Callable[[int], ChunkSink] | None = None) -> Outcome:
        return PeerJob(self.span, KEY, open_sink or self.desk.open_sink, self.desk.landed.append, LIMIT_SECONDS).run()

    def race(self) -> tuple[HedgeJob, Outcome]:
        job = HedgeJob(self.span, KEY, LIMIT_SECONDS)
        return job, job.run()

    @property
    def stream(self) -> PeerStream:
        assert isinstance(self.peer.stream, PeerStream)
        return self.peer.stream

    def nothing_came(self) -> bool:
        return not (self.desk.chunks or self.desk.landed or self.desk.accounted)


def short(data: bytes) -> ChunkStream:
    return PeerStream([data[:-1]], xxhash.xxh3_128_digest(data[:-1]))


def long(data: bytes) -> ChunkStream:
    return PeerStream([data, b"surplus"], xxhash.xxh3_128_digest(data + b"surplus"))


def long_in_one_piece(data: bytes) -> ChunkStream:
    return PeerStream([data + b"surplus"], xxhash.xxh3_128_digest(data + b"surplus"))


def empty(_data: bytes) -> ChunkStream:
    return PeerStream([], xxhash.xxh3_128_digest(b""))


def flipped(data: bytes) -> ChunkStream:
    return PeerStream([bytes([data[0] ^ 1]), data[1:]], xxhash.xxh3_128_digest(data))


def lying(data: bytes) -> ChunkStream:
    return PeerStream([data], bytes(16))


FAULTS: list[tuple[Script, type[CacheError]]] = [
    (short, PeerProtocolError),
    (long, PeerProtocolError),
    (long_in_one_piece, PeerProtocolError),
    (empty, PeerProtocolError),
    (flipped, PeerCorrupt),
    (lying, PeerCorrupt),
    (breaking(PeerUnavailable("reset")), PeerUnavailable),
    (refusing(PeerBusy("all slots taken")), PeerBusy),
]
faults = pytest.mark.parametrize(("script", "error"), FAULTS, ids=lambda one: getattr(one, "__name__", "breaking"))


@pytest.mark.parametrize("chunk", [0, LAST])
def test_a_chunk_lands_whole_and_is_accounted_to_the_peers(chunk: int) -> None:
    stage = Stage(whole, chunk)
    assert stage.fetch() == Outcome(range(chunk, chunk + 1), len(part(chunk)), None)
    assert stage.desk.chunks == {chunk: part(chunk)}
    assert stage.desk.landed == [chunk]
    assert stage.desk.accounted == [("peer", len(part(chunk)))]
    assert stage.stream.closed == 1


@faults
def test_what_is_not_right_is_not_published(script: Script, error: type[CacheError]) -> None:
    stage = Stage(script)
    outcome = stage.fetch()
    assert (outcome.landed, outcome.landed_bytes, type(outcome.error)) == (range(LAST, LAST), 0, error)
    assert stage.nothing_came()
    if stage.peer.stream:
        assert stage.stream.closed == 1
        assert stage.desk.aborted == [LAST]


@faults
def test_nor_is_it_in_a_race(script: Script, error: type[CacheError]) -> None:
    stage = Stage(script)
    _, outcome = stage.race()
    assert (outcome.landed, outcome.landed_bytes, type(outcome.error)) == (range(LAST, LAST), 0, error)
    assert stage.nothing_came()


def test_an_error_names_the_peer_the_chunk_and_the_object() -> None:
    for script in (short, flipped):
        outcome = Stage(script).fetch()
        assert str(outcome.error).startswith(f"peer node-b: chunk {LAST} of memory://bucket/x: ")
    assert "1 bytes too few came" in str(Stage(short).fetch().error)
    assert "7 bytes too many came" in str(Stage(long).fetch().error)


def test_a_span_that_was_called_off_ends_as_that_whatever_it_failed_with() -> None:
    stage = Stage(breaking(PeerUnavailable("reset")))
    stage.span.cancel()
    assert isinstance(stage.fetch().error, Interrupted)
    assert stage.nothing_came()


def test_calling_off_stops_at_the_next_piece_and_cancels_the_stream() -> None:
    stage = Stage(whole)
    opened = stage.desk.open_sink

    def cancel_then_open(chunk: int) -> ChunkSink:
        stage.span.cancel()
        return opened(chunk)

    assert isinstance(stage.fetch(cancel_then_open).error, Interrupted)
    assert stage.stream.cancelled
    assert stage.nothing_came()
    assert stage.desk.aborted == [LAST]


def test_a_store_that_refuses_it_is_no_failure_of_the_peer() -> None:
    stage = Stage(whole)
    error = NoSpace("full")

    def refuse(_chunk: int) -> ChunkSink:
        raise error

    assert stage.fetch(refuse) == Outcome(range(LAST, LAST), 0, error)
    assert stage.stream.closed == 1


def test_an_unexpected_exception_is_reported_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    outcome = Stage(breaking(ZeroDivisionError("bug"))).fetch()
    assert isinstance(outcome.error, ZeroDivisionError)
    assert "Traceback" in caplog.text


def test_a_race_brings_the_bytes_to_memory_and_publishes_nothing() -> None:
    stage = Stage(whole)
    job, outcome = stage.race()
    assert bytes(job.data) == part(LAST)
    assert outcome == Outcome(range(LAST, LAST), len(part(LAST)), None)
    assert stage.nothing_came()
    assert stage.stream.closed == 1


def test_what_won_its_race_is_put_into_the_cache() -> None:
    stage = Stage(whole)
    job = KeepJob(stage.span, KEY, bytearray(part(LAST)), stage.desk.open_sink, stage.desk.landed.append)
    assert job.run() == Outcome(range(LAST, LAST + 1), len(part(LAST)), None)
    assert stage.desk.chunks == {LAST: part(LAST)}
    assert stage.desk.accounted == [("peer", len(part(LAST)))]
    assert stage.desk.landed == [LAST]


def test_what_won_its_race_may_find_no_room() -> None:
    stage = Stage(whole)
    error = NoSpace("full")

    def refuse(_chunk: int) -> ChunkSink:
        raise error

    job = KeepJob(stage.span, KEY, bytearray(part(LAST)), refuse, stage.desk.landed.append)
    assert job.run() == Outcome(range(LAST, LAST), 0, error)
    assert stage.nothing_came()
