"""The index file of one blob."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import CorruptBlob
from cachefs.store.index import Index, create_index, index_bytes
from cachefs.store.oscalls import Calls, Step
from cachefs.store.values import ChunkState
from cachefs.types import BlobKey
from tests.unit.store.world import FailingCalls

KEY = BlobKey("memory://b/o", "1", 10_000, 4096)  # three chunks
DIGEST = bytes(range(16))


@pytest.fixture
def fd(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "index", os.O_RDWR | os.O_CREAT)
    create_index(Calls(), fd, KEY)
    yield fd
    os.close(fd)


def load(fd: int, calls: Calls | None = None) -> Index:
    return Index.load(calls or Calls(), fd, KEY)


def test_a_new_index_has_only_missing_chunks(fd: int) -> None:
    assert load(fd).states == bytes(3)


def test_all_its_blocks_are_allocated_at_once(fd: int) -> None:
    assert os.fstat(fd).st_size == index_bytes(KEY)
    assert os.fstat(fd).st_blocks * 512 >= index_bytes(KEY)


def test_a_published_chunk_is_there_after_reopening(fd: int) -> None:
    load(fd).publish(1, DIGEST, 77)
    index = load(fd)
    assert list(index.states) == [ChunkState.MISSING, ChunkState.PRESENT, ChunkState.MISSING]
    assert (index.digest(1), index.crc64(1)) == (DIGEST, 77)


def test_a_chunk_may_have_no_crc(fd: int) -> None:
    load(fd).publish(0, DIGEST, None)
    assert load(fd).crc64(0) is None


def test_hash_comes_before_the_bit(fd: int) -> None:
    calls = FailingCalls()
    index = load(fd, calls)
    calls.seen.clear()
    index.publish(0, DIGEST, None)
    assert calls.seen == [Step.INDEX_HASH, Step.INDEX_BIT]


@pytest.mark.parametrize("step", [Step.INDEX_HASH, Step.INDEX_BIT])
def test_a_chunk_whose_publication_fails_is_missing(fd: int, step: Step) -> None:
    index = load(fd, FailingCalls(step))
    with pytest.raises(OSError, match="Input/output"):
        index.publish(2, DIGEST, None)
    assert index.states[2] == load(fd).states[2] == ChunkState.MISSING


def test_clearing_withdraws_a_chunk(fd: int) -> None:
    index = load(fd)
    index.publish(2, DIGEST, None)
    index.clear(2)
    assert index.states[2] == load(fd).states[2] == ChunkState.MISSING


def test_clearing_all(fd: int) -> None:
    index = load(fd)
    index.publish(0, DIGEST, None)
    index.clear_all()
    assert index.states == load(fd).states == bytes(3)


def test_clearing_writes_even_what_memory_thinks_is_missing(fd: int) -> None:
    load(fd).publish(0, DIGEST, None)
    index = load(fd, FailingCalls(Step.INDEX_CLEAR, times=1))
    with pytest.raises(OSError, match="Input/output"):
        index.clear(0)
    assert index.states[0] == ChunkState.MISSING
    index.clear(0)
    assert load(fd).states[0] == ChunkState.MISSING


def test_distrust_makes_present_chunks_suspect_and_keeps_their_hash(fd: int) -> None:
    index = load(fd)
    index.publish(1, DIGEST, 5)
    index.distrust()
    again = load(fd)
    assert list(again.states) == [ChunkState.MISSING, ChunkState.SUSPECT, ChunkState.MISSING]
    assert again.digest(1) == DIGEST
    again.confirm(1)
    assert load(fd).states[1] == ChunkState.PRESENT


def test_a_state_that_does_not_exist_is_missing(fd: int) -> None:
    os.pwrite(fd, b"\x07", 64)
    assert load(fd).states[0] == ChunkState.MISSING


@pytest.mark.parametrize("size", [0, 63, index_bytes(KEY) - 1, index_bytes(KEY) + 1])
def test_a_wrong_size_is_corrupt(fd: int, size: int) -> None:
    os.ftruncate(fd, size)
    with pytest.raises(CorruptBlob, match=f"index has {size} bytes"):
        load(fd)


@pytest.mark.parametrize("offset", [0, 8, 16, 24, 40])
def test_a_header_of_another_blob_is_corrupt(fd: int, offset: int) -> None:
    os.pwrite(fd, b"\xee", offset)
    with pytest.raises(CorruptBlob, match="header"):
        load(fd)


def test_truncation_while_open_is_an_error_and_not_a_signal(fd: int) -> None:
    index = load(fd)
    index.publish(0, DIGEST, None)
    os.ftruncate(fd, 0)
    assert (
        index.states[0] == ChunkState.PRESENT
    )  # what was read stays readable: with a mapping this line ends the process
