"""A fill thread's work: cutting the stream at chunk borders, and ending in whatever way."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

import pytest

from cachefs.errors import Interrupted, OriginProtocolError, OriginUnavailable, TierUnavailable
from cachefs.fetch.fill import ChunkSink, FillJob, FillThreads, Outcome, VerifyJob
from cachefs.fetch.span import Client, Span, SpanPlan
from cachefs.origin.memory import MemoryOrigin
from cachefs.types import BlobKey, ByteRange, Priority
from tests.unit.fetch.kit import (
    BLOB,
    CHUNK,
    LIMIT_SECONDS,
    Desk,
    Fault,
    ScriptedOrigin,
    breaks_after,
    client,
    content,
    dribbles,
    fails,
    overruns,
)
from tests.unit.fetch.peers_kit import TwinChunk, whole

SIZE = 5 * CHUNK - 123
DATA = content(SIZE)


class Stage:
    """One job over an object of five chunks, the last of them short."""

    def __init__(self, chunks: range, *faults: Fault) -> None:
        memory = MemoryOrigin()
        self.info = memory.put("k", DATA)
        self.origin = ScriptedOrigin(memory, deque(faults))
        self.desk = Desk()
        account = Client(self.origin, lambda source, count: self.desk.accounted.append((source, count)))
        self.span = Span(SpanPlan(BLOB, chunks, Priority.READER, False, 0, account), started_at=0.0)

    def job(self) -> FillJob:
        key = BlobKey.of(self.info, CHUNK)
        return FillJob(self.span, self.info, key, self.desk.open_sink, self.desk.landed.append, LIMIT_SECONDS)

    def run(self) -> Outcome:
        return self.job().run()


def chunk_bytes(chunk: int) -> bytes:
    return DATA[chunk * CHUNK : (chunk + 1) * CHUNK]


@pytest.mark.parametrize("faults", [(), (dribbles,)])
def test_each_chunk_lands_whole_in_order_and_is_accounted(faults: tuple[Fault, ...]) -> None:
    stage = Stage(range(1, 5), *faults)
    outcome = stage.run()
    assert outcome == Outcome(range(1, 5), SIZE - CHUNK, None)
    assert stage.desk.chunks == {chunk: chunk_bytes(chunk) for chunk in range(1, 5)}
    assert stage.desk.landed == [1, 2, 3, 4]
    assert stage.desk.accounted == [("origin", CHUNK)] * 3 + [("origin", CHUNK - 123)]
    assert stage.origin.requests == [("k", ByteRange(CHUNK, SIZE))]


def test_an_origin_is_silent_from_its_last_piece_on() -> None:
    stage = Stage(range(5), breaks_after(1))
    assert stage.span.silent_since(0.1)
    began = time.monotonic()
    stage.run()
    assert not stage.span.silent_since(began)
    assert stage.span.silent_since(time.monotonic() + 1.0)


def test_only_a_request_that_runs_at_the_origin_can_be_silent() -> None:
    plan = Stage(range(5)).span.plan
    assert Span(plan, started_at=1.0).silent_since(2.0)
    assert not Span(plan, started_at=3.0).silent_since(2.0)
    assert not Span(plan, started_at=1.0, cancelled=True).silent_since(2.0)
    assert not Span(replace(plan, verify=True), started_at=1.0).silent_since(2.0)
    assert not Span(replace(plan, peer=TwinChunk(BLOB, 0, "a", b"", whole)), started_at=1.0).silent_since(2.0)


def test_what_landed_before_a_reset_counts() -> None:
    error = OriginUnavailable("connection reset")
    stage = Stage(range(5), breaks_after(2 * CHUNK + 100, error))
    assert stage.run() == Outcome(range(2), 2 * CHUNK, error)
    assert stage.desk.aborted == [2]
    assert set(stage.desk.chunks) == {0, 1}


def test_an_answer_that_just_ends_is_a_protocol_error() -> None:
    outcome = Stage(range(5), breaks_after(CHUNK + 1)).run()
    assert outcome.landed == range(1)
    assert isinstance(outcome.error, OriginProtocolError)
    assert "ended within chunk 1" in str(outcome.error)


def test_more_than_was_asked_for_is_a_protocol_error() -> None:
    outcome = Stage(range(2), overruns).run()
    assert isinstance(outcome.error, OriginProtocolError)


def test_an_unexpected_exception_is_reported_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    outcome = Stage(range(2), fails(ZeroDivisionError("bug"))).run()
    assert isinstance(outcome.error, ZeroDivisionError)
    assert "Traceback" in caplog.text


def test_a_cancelled_span_gives_up_within_a_chunk() -> None:
    stage = Stage(range(5), dribbles)
    job = stage.job()
    opened = stage.desk.open_sink

    def cancel_then_open(chunk: int) -> ChunkSink:
        stage.span.cancel()
        return opened(chunk)

    outcome = FillJob(job.span, job.info, job.key, cancel_then_open, job.landed, job.attempt_seconds).run()
    assert isinstance(outcome.error, Interrupted)
    assert stage.desk.aborted == [0]


def test_a_store_that_refuses_a_chunk_ends_the_span_there() -> None:
    stage = Stage(range(3))
    job = stage.job()

    def refuse_the_second(chunk: int) -> ChunkSink:
        if chunk == 1:
            raise TierUnavailable("gone")
        return stage.desk.open_sink(chunk)

    outcome = FillJob(job.span, job.info, job.key, refuse_the_second, job.landed, job.attempt_seconds).run()
    assert outcome.landed == range(1)
    assert isinstance(outcome.error, TierUnavailable)


def test_suspect_chunks_land_when_their_hash_is_right_only() -> None:
    landed: list[int] = []
    span = Span(SpanPlan(BLOB, range(4), Priority.READER, True, 0, client()), started_at=0.0)
    outcome = VerifyJob(span, lambda chunk: chunk != 2, landed.append).run()
    assert outcome == Outcome(range(4), 0, None)
    assert landed == [0, 1, 3]


def test_a_verification_that_fails_tells_where() -> None:
    error = TierUnavailable("gone")

    def verify(chunk: int) -> bool:
        if chunk == 1:
            raise error
        return True

    span = Span(SpanPlan(BLOB, range(4), Priority.READER, True, 0, client()), started_at=0.0)
    assert VerifyJob(span, verify, lambda _: None).run() == Outcome(range(1), 0, error)


def test_threads_start_when_there_is_work_and_are_used_again() -> None:
    threads = FillThreads(4)
    used: list[str] = []
    for _ in range(5):
        done = threading.Event()

        def work(done: threading.Event = done) -> None:
            used.append(threading.current_thread().name)
            done.set()

        assert threads.submit(work)
        assert done.wait(LIMIT_SECONDS)
    assert threads.stop(LIMIT_SECONDS) == 0
    assert len(used) == 5
    assert set(used) <= {f"mows-fill-{i}" for i in range(4)}


def test_no_more_threads_than_allowed_and_all_work_is_done() -> None:
    threads = FillThreads(3)
    names: set[str] = set()
    gate = threading.Event()

    def work() -> None:
        gate.wait(LIMIT_SECONDS)
        names.add(threading.current_thread().name)

    for _ in range(20):
        threads.submit(work)
    gate.set()
    assert threads.stop(LIMIT_SECONDS) == 0
    assert 1 <= len(names) <= 3


def test_nothing_runs_after_a_stop_and_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    threads = FillThreads(3)
    threads.submit(lambda: None)
    assert threads.stop(LIMIT_SECONDS) == 0
    assert not threads.submit(lambda: pytest.fail("ran after the stop"))
    assert set(threading.enumerate()) == before


def test_a_stop_says_how_many_threads_hang() -> None:
    threads = FillThreads(2)
    gate = threading.Event()

    def hang() -> None:
        gate.wait(LIMIT_SECONDS)

    threads.submit(hang)
    assert threads.stop(0.01) == 1
    gate.set()
    assert threads.stop(LIMIT_SECONDS) == 0
