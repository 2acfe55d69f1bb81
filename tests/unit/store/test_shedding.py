"""Blobs that live in a tier chunk by chunk: which chunk goes, which stays, and what is counted."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

from cachefs.errors import NoSpace, TierUnavailable
from cachefs.store import Blob, ChunkState, Store
from cachefs.store.oscalls import Calls, Step
from cachefs.store.punch import punch_hole
from cachefs.store.shedding import coldest
from cachefs.types import ByteRange
from tests.unit.store.world import (
    CHUNK_BYTES,
    FailingCalls,
    content,
    describe,
    fill,
    is_sealed,
    occupied_bytes,
    open_store,
    put,
)

P = ParamSpec("P")
R = TypeVar("R")

DATA = content(12 * CHUNK_BYTES + 7)
INFO = describe("large", DATA)
CAPACITY = 8 * CHUNK_BYTES - 1
"""Six chunks, the blob's own files, and what a write asks for beside its data."""


@pytest.fixture
def calls() -> FailingCalls:
    return FailingCalls()


@pytest.fixture
def store(tmp_path: Path, calls: FailingCalls) -> Iterator[Store]:
    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY, calls=calls)
    yield store
    store.close()


def put_all(blob: Blob) -> None:
    for chunk in range(blob.key.chunk_count):
        put(blob, chunk, DATA)


def here(blob: Blob) -> list[int]:
    return [chunk for chunk in range(blob.key.chunk_count) if blob.state(chunk) is ChunkState.PRESENT]


def assert_right(blob: Blob) -> None:
    for chunk in here(blob):
        span = blob.key.chunk_range(chunk)
        assert os.pread(blob.fd, len(span), span.start) == DATA[span.start : span.stop]


def test_the_chunk_used_longest_ago_goes_first(store: Store) -> None:
    blob = store.acquire(INFO)
    for chunk in range(6):
        put(blob, chunk, DATA)
    assert here(blob) == [0, 1, 2, 3, 4, 5]
    blob.end_use(blob.begin_use(ByteRange(0, 1)) or range(0))
    put(blob, 6, DATA)
    assert here(blob) == [0, 2, 3, 4, 5, 6]
    assert_right(blob)
    assert store.statistics().evicted_chunks == blob.given_up == 1
    blob.release()


def test_capacity_holds_and_is_counted_as_the_disk_counts(store: Store, tmp_path: Path) -> None:
    blob = store.acquire(INFO)
    for chunk in (*range(13), *range(13)):
        if blob.state(chunk) is ChunkState.MISSING:
            put(blob, chunk, DATA)
        (tier,) = store.statistics().tiers
        assert tier.used_bytes == occupied_bytes(tmp_path / "tier") <= CAPACITY
        assert_right(blob)
    blob.release()


def test_a_chunk_that_is_read_stays_and_the_next_one_goes(store: Store) -> None:
    blob = store.acquire(INFO)
    put(blob, 0, DATA)
    used = blob.begin_use(ByteRange(0, 10))
    assert used is not None
    with blob.held(1):
        for chunk in range(1, 13):
            put(blob, chunk, DATA)
        assert {0, 1} <= set(here(blob))
    blob.end_use(used)
    for chunk in range(2, 13):
        if blob.state(chunk) is ChunkState.MISSING:
            put(blob, chunk, DATA)
    assert not {0, 1} & set(here(blob))
    blob.release()


def test_with_everything_in_use_a_write_is_refused_and_nothing_goes(store: Store) -> None:
    blob = store.acquire(INFO)
    for chunk in range(6):
        put(blob, chunk, DATA)
    used = blob.begin_use(ByteRange(0, 6 * CHUNK_BYTES))
    assert used is not None
    with pytest.raises(NoSpace, match="in use or pinned"):
        blob.write(6)
    assert here(blob) == [0, 1, 2, 3, 4, 5]
    blob.end_use(used)
    put(blob, 6, DATA)
    blob.release()


def test_pinned_and_complete_blobs_lose_nothing(store: Store) -> None:
    small = describe("small", DATA[: 2 * CHUNK_BYTES])
    fill(store, small, DATA)
    complete, pinned = store.acquire(small), store.acquire(describe("pinned", DATA[: 2 * CHUNK_BYTES]))
    put(pinned, 0, DATA)
    store.pin(pinned.blob_id)
    blob = store.acquire(INFO)
    put_all(blob)
    assert is_sealed(complete)
    assert here(pinned) == [0]
    for one in (complete, pinned, blob):
        one.release()


def test_cold_blobs_go_before_chunks_of_open_ones(store: Store) -> None:
    cold = describe("cold", DATA[:CHUNK_BYTES])
    fill(store, cold, DATA)
    blob = store.acquire(INFO)
    for chunk in range(6):
        put(blob, chunk, DATA)
    assert store.find(cold) is None
    assert here(blob) == [0, 1, 2, 3, 4, 5]
    blob.release()


def test_two_open_blobs_that_fit_one_by_one_share_the_tier(store: Store) -> None:
    data = DATA[: 5 * CHUNK_BYTES]
    first, second = (store.acquire(describe(name, data)) for name in "ab")
    for chunk in range(4):
        put(first, chunk, data)
    for chunk in range(5):
        put(second, chunk, data)
    assert is_sealed(second)
    assert 0 < len(here(first)) < 4
    first.release()
    second.release()


def test_the_read_ahead_of_a_blob_that_does_not_fit_is_bounded(store: Store) -> None:
    blob = store.acquire(INFO)
    windows, shares = [], []
    for chunk in range(13):
        (status,) = store.blobs()
        shares.append(status.allocated_bytes // 16)
        put(blob, chunk, DATA)
        windows.append(blob.window_bytes)
    assert windows == [None] * 6 + shares[6:]
    blob.release()


def test_it_is_a_share_of_what_is_not_kept_for_others(store: Store) -> None:
    kept, data = store.acquire(describe("kept", DATA[: 4 * CHUNK_BYTES])), DATA[: 4 * CHUNK_BYTES]
    for chunk in range(4):
        put(kept, chunk, data)
    assert is_sealed(kept)
    blob = store.acquire(INFO)
    for chunk in range(13):
        put(blob, chunk, DATA)
    assert blob.window_bytes is not None
    assert blob.window_bytes <= 3 * CHUNK_BYTES // 16
    kept.release()
    blob.release()


def test_a_chunk_given_up_is_missing_after_a_crash(tmp_path: Path) -> None:
    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY)
    blob = store.acquire(INFO)
    put_all(blob)
    kept = here(blob)
    store.close()  # writes nothing
    again = open_store(tmp_path / "tier", capacity_bytes=CAPACITY)
    blob = again.acquire(INFO)
    assert here(blob) == kept
    assert_right(blob)
    again.close()


def test_the_index_says_missing_before_the_hole_is_made(store: Store, calls: FailingCalls) -> None:
    blob = store.acquire(INFO)
    for chunk in range(6):
        put(blob, chunk, DATA)
    calls.seen.clear()
    put(blob, 6, DATA)
    order = [step for step in calls.seen if step in {Step.INDEX_CLEAR, Step.PUNCH, Step.DATA_WRITE}]
    assert order[:2] == [Step.INDEX_CLEAR, Step.PUNCH]


@pytest.mark.expects_warnings
@pytest.mark.parametrize("step", [Step.INDEX_CLEAR, Step.PUNCH])
def test_a_chunk_that_cannot_be_given_up_costs_itself_and_no_wrong_byte(
    store: Store, calls: FailingCalls, step: Step, tmp_path: Path
) -> None:
    blob = store.acquire(INFO)
    for chunk in range(6):
        put(blob, chunk, DATA)
    calls.step, calls.error, calls.times = step, errno.EIO, 1
    with pytest.raises(TierUnavailable):
        put(blob, 6, DATA)
    assert here(blob) == [1, 2, 3, 4, 5]
    assert_right(blob)
    (tier,) = store.statistics().tiers
    assert tier.used_bytes == occupied_bytes(tmp_path / "tier")
    put(blob, 6, DATA)
    blob.release()


def test_who_writes_a_chunk_that_is_just_leaving_waits_for_its_blocks(tmp_path: Path) -> None:
    freeing, free = threading.Event(), threading.Event()

    class Slow(Calls):
        def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
            if step is Step.PUNCH:
                freeing.set()
                assert free.wait(60)
            return call(*args, **kwargs)

    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY, calls=Slow())
    blob = store.acquire(INFO)
    put(blob, 0, DATA)
    with ThreadPoolExecutor(2) as threads:
        giving = threads.submit(blob.give_up, 0)
        assert freeing.wait(60)
        writing = threads.submit(put, blob, 0, DATA)
        assert blob.state(0) is ChunkState.MISSING
        free.set()
        assert giving.result(60) >= CHUNK_BYTES
        writing.result(60)
    assert here(blob) == [0]
    assert_right(blob)
    blob.release()
    store.close()


def test_what_a_writer_gave_up_on_occupies_nothing(store: Store, tmp_path: Path) -> None:
    blob = store.acquire(INFO)
    before = occupied_bytes(tmp_path / "tier")
    writer = blob.write(0)
    writer.write(DATA[:5000])
    writer.abort()
    assert occupied_bytes(tmp_path / "tier") == before
    assert store.statistics().tiers[0].used_bytes == before
    blob.release()


def test_what_a_crash_left_of_missing_chunks_is_freed_at_the_next_start(tmp_path: Path) -> None:
    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY)
    blob = store.acquire(INFO)
    put(blob, 3, DATA)
    before = occupied_bytes(tmp_path / "tier")
    blob.write(0).write(DATA[:CHUNK_BYTES])
    blob.write(12).write(DATA[:7])
    assert occupied_bytes(tmp_path / "tier") > before
    store.close()
    again = open_store(tmp_path / "tier", capacity_bytes=CAPACITY)
    assert occupied_bytes(tmp_path / "tier") == again.statistics().tiers[0].used_bytes == before
    blob = again.acquire(INFO)
    assert here(blob) == [3]
    assert_right(blob)
    again.close()


def test_the_coldest_of_several_blobs() -> None:
    assert coldest([[(1, 7), (5, 0)], [], [(2, 3)]], 2) == [(1, 0, 7), (2, 2, 3)]
    assert coldest([], 2) == []


def test_a_hole_reads_as_zeros_and_keeps_the_size(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 12288)
    with open(path, "r+b") as file:
        punch_hole(file.fileno(), 4096, 4096)
    assert path.read_bytes() == b"x" * 4096 + bytes(4096) + b"x" * 4096


def test_a_hole_in_a_file_opened_to_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with open(path, "rb") as file, pytest.raises(OSError, match="Bad file descriptor"):
        punch_hole(file.fileno(), 0, 4096)
