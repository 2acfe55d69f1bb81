"""Each step of the store's work fails in turn: the answer is an error of the store, and never wrong bytes."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.errors import CorruptBlob, NoSpace, StoreError, TierUnavailable
from cachefs.store import Blob, ChunkState, Store
from cachefs.store.oscalls import Step
from tests.unit.store.world import (
    BOOT,
    CHUNK_BYTES,
    FailingCalls,
    content,
    described_with_crc,
    fill,
    occupied_bytes,
    open_store,
    put,
)

DATA = content(3 * CHUNK_BYTES)
INFO = described_with_crc("o", DATA)

CREATE_STEPS = [
    Step.DIRECTORY,
    Step.DATA_CREATE,
    Step.INDEX_CREATE,
    Step.META_WRITE,
    Step.META_RENAME,
    Step.DATA_MEASURE,
]
OPEN_STEPS = [Step.DATA_OPEN, Step.INDEX_OPEN, Step.INDEX_READ]
WRITE_STEPS = [Step.INDEX_CLEAR, Step.DATA_WRITE, Step.INDEX_HASH, Step.INDEX_BIT]
KINDS = [(errno.ENOSPC, NoSpace), (errno.EDQUOT, NoSpace), (errno.EIO, TierUnavailable), (errno.EROFS, TierUnavailable)]


def assert_only_right_bytes(blob: Blob) -> None:
    for chunk in range(blob.key.chunk_count):
        span = blob.key.chunk_range(chunk)
        if blob.state(chunk) is ChunkState.PRESENT:
            assert os.pread(blob.fd, len(span), span.start) == DATA[span.start : span.stop]


def assert_usable(store: Store, tier: Path) -> None:
    """The same object can be cached now, and the counts are right."""
    blob = store.acquire(INFO)
    for chunk in range(blob.key.chunk_count):
        if blob.state(chunk) is not ChunkState.PRESENT:
            put(blob, chunk, DATA)
    assert blob.sealed
    assert_only_right_bytes(blob)
    blob.release()
    statistics = store.statistics().tiers[0]
    assert (statistics.used_bytes, statistics.reserved_bytes) == (occupied_bytes(tier), 0)


@pytest.mark.parametrize("step", [Step.DATA_OPEN, Step.INDEX_OPEN])
def test_a_blob_on_a_read_only_disk_can_be_read(tmp_path: Path, step: Step) -> None:
    store = open_store(tmp_path)
    fill(store, INFO, DATA)
    store.close()
    store = open_store(tmp_path, calls=FailingCalls(step, errno.EROFS, skip=1, times=1))  # once to take it up
    blob = store.acquire(INFO)
    assert blob.sealed
    assert_only_right_bytes(blob)
    assert store.statistics().tiers[0].trouble
    store.close()


@pytest.mark.parametrize(
    ("step", "error", "kind"),
    [
        (step, error, kind)
        for step in [*CREATE_STEPS, *OPEN_STEPS]
        for error, kind in KINDS
        if not (step in {Step.DATA_OPEN, Step.INDEX_OPEN} and error == errno.EROFS)
    ],
)
def test_a_blob_that_cannot_be_created(tmp_path: Path, step: Step, error: int, kind: type[StoreError]) -> None:
    calls = FailingCalls(step, error, times=1)
    store = open_store(tmp_path, calls=calls)
    with pytest.raises(kind, match=f"{tmp_path}: cannot"):
        store.acquire(INFO)
    assert store.statistics().tiers[0].faults == 1
    assert_usable(store, tmp_path)
    store.close()


@pytest.mark.parametrize("step", CREATE_STEPS)
def test_the_next_tier_takes_what_the_first_cannot(tmp_path: Path, step: Step) -> None:
    store = open_store(tmp_path / "a", tmp_path / "b", calls=FailingCalls(step, times=1))
    blob = store.acquire(INFO)
    assert blob.tier.path == tmp_path / "b"
    assert occupied_bytes(tmp_path / "a") == 0
    assert [tier.faults for tier in store.statistics().tiers] == [1, 0]
    store.close()


@pytest.mark.parametrize("step", WRITE_STEPS)
@pytest.mark.parametrize(("error", "kind"), KINDS)
@pytest.mark.parametrize("skip", [0, 1, 3])
def test_a_chunk_that_cannot_be_written(
    tmp_path: Path, step: Step, error: int, kind: type[StoreError], skip: int
) -> None:
    store = open_store(tmp_path, calls=FailingCalls(step, error, skip=skip, times=1))
    blob = store.acquire(INFO)
    failures = 0
    for chunk in range(3):
        try:
            put(blob, chunk, DATA)
        except StoreError as caught:
            assert type(caught) is kind  # noqa: PT017 (which of the chunks fails is not the point)
            assert blob.state(chunk) is ChunkState.MISSING
            failures += 1
    assert failures == (skip < 3 or step is Step.DATA_WRITE)  # two data writes a chunk
    assert_only_right_bytes(blob)
    blob.release()
    assert_usable(store, tmp_path)
    store.close()


@pytest.mark.parametrize("step", WRITE_STEPS)
@pytest.mark.parametrize("boot", [BOOT, "another"])
def test_a_run_after_a_failed_write_believes_only_right_bytes(tmp_path: Path, step: Step, boot: str) -> None:
    store = open_store(tmp_path, calls=FailingCalls(step, skip=1))
    blob = store.acquire(INFO)
    for chunk in range(3):
        try:
            put(blob, chunk, DATA)
        except TierUnavailable:
            assert blob.state(chunk) is ChunkState.MISSING
    store.close()
    store = open_store(tmp_path, boot_id=boot)
    blob = store.acquire(INFO)
    for chunk in range(3):
        blob.verify(chunk)
    assert_only_right_bytes(blob)
    blob.release()
    assert_usable(store, tmp_path)
    store.close()


@pytest.mark.parametrize("step", [Step.DATA_WRITE, Step.INDEX_HASH])
def test_a_short_write_is_continued(tmp_path: Path, step: Step) -> None:
    store = open_store(tmp_path, calls=FailingCalls(step, error=0, skip=1, short=True))
    blob = store.acquire(INFO)
    for chunk in range(3):
        put(blob, chunk, DATA)
    assert blob.sealed
    assert_only_right_bytes(blob)
    store.close()


def test_a_short_write_before_no_space_is_no_chunk(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=FailingCalls(Step.DATA_WRITE, errno.ENOSPC, times=1, short=True))
    blob = store.acquire(INFO)
    with pytest.raises(NoSpace):
        put(blob, 0, DATA)
    assert blob.state(0) is ChunkState.MISSING
    blob.release()
    assert_usable(store, tmp_path)
    store.close()


def test_a_chunk_that_cannot_be_read_fails_its_verification(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=FailingCalls(Step.DATA_READ, times=1))
    blob_id = fill(store, INFO, DATA)
    assert store.verify(blob_id) == [0]
    assert_usable(store, tmp_path)
    store.close()


def test_a_rejected_chunk_stays_rejected_though_the_index_cannot_say_so(tmp_path: Path) -> None:
    calls = FailingCalls(Step.INDEX_CLEAR, times=0)
    store = open_store(tmp_path, calls=calls)
    blob_id = fill(store, INFO, DATA)
    blob = store.acquire(INFO)
    os.pwrite(blob.fd, b"rot", 5)
    calls.times = 2
    assert store.verify(blob_id) == [0]
    assert blob.state(0) is ChunkState.MISSING
    with pytest.raises(TierUnavailable):
        blob.write(0)  # or a crash in the middle would leave half a chunk that the index calls PRESENT
    blob.release()
    assert store.find(INFO) is None  # nobody opens it from an index that is wrong
    assert_usable(store, tmp_path)
    store.close()


def test_a_wrong_whole_is_dropped_though_the_index_cannot_say_so(tmp_path: Path) -> None:
    store = open_store(tmp_path, calls=FailingCalls(Step.INDEX_CLEAR, skip=3))
    blob = store.acquire(replace(INFO, crc64=1))
    put(blob, 0, DATA)
    put(blob, 1, DATA)
    with pytest.raises(CorruptBlob):
        put(blob, 2, DATA)
    store.close()  # a crash before the last release
    store = open_store(tmp_path)
    assert store.blobs() == []
    assert occupied_bytes(tmp_path) == 0
    store.close()


@pytest.mark.parametrize("step", [Step.CONDEMN, Step.DESTROY])
def test_a_blob_that_cannot_be_evicted_stays_counted(tmp_path: Path, step: Step) -> None:
    calls = FailingCalls(step, times=1)
    store = open_store(tmp_path, calls=calls)
    blob_id = fill(store, INFO, DATA)
    before = store.statistics().tiers[0].used_bytes
    if step is Step.CONDEMN:
        with pytest.raises(TierUnavailable, match="rename a blob out of the way"):
            store.evict(blob_id)
    else:
        assert store.evict(blob_id)
    assert store.statistics().tiers[0].used_bytes == before
    store.close()
    store = open_store(tmp_path)
    assert store.statistics().tiers[0].used_bytes == occupied_bytes(tmp_path)
    assert_usable(store, tmp_path)
    store.close()


def test_a_tier_that_cannot_say_how_full_it_is_takes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    calls = FailingCalls(Step.FREE_SPACE, times=0)
    store = open_store(tmp_path, calls=calls)
    fill(store, INFO, DATA)
    calls.times = 100
    with pytest.raises(TierUnavailable, match="ask for free space"):
        store.acquire(described_with_crc("another", DATA))
    assert [status.sealed for status in store.blobs()] == [True]
    assert store.statistics().tiers[0].free_bytes == 0
    store.close()


@pytest.mark.parametrize("step", [Step.META_READ, Step.DATA_OPEN, Step.INDEX_OPEN, Step.INDEX_READ])
def test_a_blob_that_cannot_be_taken_up_is_a_miss(tmp_path: Path, step: Step) -> None:
    store = open_store(tmp_path)
    fill(store, INFO, DATA)
    store.close()
    store = open_store(tmp_path, calls=FailingCalls(step, times=1))
    assert store.blobs() == []
    assert store.statistics().dropped_blobs == 1
    assert_usable(store, tmp_path)
    store.close()


@pytest.mark.parametrize("step", [Step.META_WRITE, Step.META_RENAME])
def test_a_blob_of_another_boot_is_usable_on_a_full_disk(tmp_path: Path, step: Step) -> None:
    store = open_store(tmp_path, boot_id="1")
    blob_id = fill(store, INFO, DATA)
    store.close()
    store = open_store(tmp_path, boot_id="2", calls=FailingCalls(step, errno.ENOSPC, times=1))
    assert store.verify(blob_id) == []
    assert_usable(store, tmp_path)
    store.close()
    store = open_store(tmp_path, boot_id="2")  # the boot id was not written, so that it is looked at again
    blob = store.acquire(INFO)
    assert all(blob.verify(chunk) for chunk in range(3))
    store.close()


def test_faults_are_logged_once_and_counted_always(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(tmp_path, calls=FailingCalls(Step.DATA_WRITE))
    blob = store.acquire(INFO)
    for _ in range(5):
        with pytest.raises(TierUnavailable):
            put(blob, 0, DATA)
    assert store.statistics().tiers[0].faults == 5
    assert [record.levelname for record in caplog.records if "cannot write data" in record.message] == ["WARNING"]
    store.close()
