"""One blob: its chunks, their states, their hashes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from cachefs.errors import CorruptBlob
from cachefs.store import Blob, ChunkState, Store, WrittenAlready
from cachefs.store.crc64 import crc64
from cachefs.types import ByteRange
from tests.unit.store.world import (
    CHUNK_BYTES,
    content,
    describe,
    described_with_crc,
    fill,
    flip_bit,
    is_sealed,
    open_store,
    put,
)

DATA = content(3 * CHUNK_BYTES + 1000)  # four chunks, the last one short


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "tier")
    yield store
    store.close()


@pytest.fixture
def blob(store: Store) -> Iterator[Blob]:
    blob = store.acquire(described_with_crc("o", DATA))
    yield blob
    blob.release()


def test_a_new_blob_is_empty(blob: Blob) -> None:
    assert [blob.state(chunk) for chunk in range(4)] == [ChunkState.MISSING] * 4
    assert (blob.resident_bytes, blob.sealed) == (0, False)
    assert os.fstat(blob.fd).st_size == len(DATA)


def test_a_written_chunk_is_present_with_its_hash(blob: Blob) -> None:
    digest = put(blob, 1, DATA)
    assert digest == xxhash.xxh3_128_digest(DATA[CHUNK_BYTES : 2 * CHUNK_BYTES]) == blob.digest(1)
    assert blob.state(1) is ChunkState.PRESENT
    assert os.pread(blob.fd, CHUNK_BYTES, CHUNK_BYTES) == DATA[CHUNK_BYTES : 2 * CHUNK_BYTES]
    assert blob.digest(0) is None


def test_resident_bytes_know_the_short_last_chunk(blob: Blob) -> None:
    put(blob, 0, DATA)
    put(blob, 3, DATA)
    assert blob.resident_bytes == CHUNK_BYTES + 1000


@pytest.mark.parametrize(
    ("start", "stop", "resident"),
    [(0, 1, False), (CHUNK_BYTES, 3 * CHUNK_BYTES, True), (CHUNK_BYTES, 3 * CHUNK_BYTES + 1, False), (5, 5, True),
     (len(DATA), len(DATA) + 99, True), (2 * CHUNK_BYTES, 9 * CHUNK_BYTES, False)],
)  # fmt: skip
def test_residence_of_a_span(blob: Blob, start: int, stop: int, resident: bool) -> None:
    put(blob, 1, DATA)
    put(blob, 2, DATA)
    assert blob.resident(ByteRange(start, stop)) is resident


def test_the_last_chunk_seals(blob: Blob) -> None:
    for chunk in (3, 1, 0):
        put(blob, chunk, DATA)
    assert not is_sealed(blob)
    put(blob, 2, DATA)
    assert blob.sealed
    assert blob.resident(ByteRange(0, len(DATA)))
    assert os.pread(blob.fd, len(DATA), 0) == DATA


def test_an_object_without_bytes_is_sealed_at_once(store: Store) -> None:
    blob = store.acquire(described_with_crc("empty", b""))
    assert (blob.sealed, blob.resident_bytes, blob.resident(ByteRange(0, 100))) == (True, 0, True)
    blob.release()


def test_a_wrong_whole_makes_every_chunk_missing(store: Store) -> None:
    blob = store.acquire(describe("o", DATA, crc=crc64(DATA) ^ 1))
    for chunk in range(3):
        put(blob, chunk, DATA)
    with pytest.raises(CorruptBlob, match=f"{crc64(DATA):016x}, the origin says"):
        put(blob, 3, DATA)
    assert (blob.resident_bytes, blob.sealed) == (0, False)
    assert store.statistics().corrupt_blobs == 1
    blob.release()


def test_a_crc_that_becomes_known_later_counts_for_all_chunks(store: Store) -> None:
    blob = store.acquire(describe("o", DATA))
    put(blob, 0, DATA[::-1])
    put(blob, 1, DATA)
    blob.expect_crc64(crc64(DATA))
    put(blob, 2, DATA)
    with pytest.raises(CorruptBlob):
        put(blob, 3, DATA)
    for chunk in range(4):
        put(blob, chunk, DATA)
    assert blob.sealed
    blob.release()


def test_a_crc_learned_late_survives_a_restart(tmp_path: Path) -> None:
    store = open_store(tmp_path / "late")
    blob = store.acquire(describe("o", DATA))
    blob.expect_crc64(crc64(DATA) ^ 1)
    put(blob, 0, DATA)
    store.close()
    store = open_store(tmp_path / "late")
    blob = store.acquire(describe("o", DATA))
    for chunk in (1, 2):
        put(blob, chunk, DATA)
    with pytest.raises(CorruptBlob):
        put(blob, 3, DATA)
    store.close()


@pytest.mark.parametrize("present", [False, True])
def test_a_chunk_has_one_writer(blob: Blob, present: bool) -> None:
    writer = blob.write(0)
    if present:
        writer.write(DATA[:CHUNK_BYTES])
        writer.commit()
    with pytest.raises(WrittenAlready, match="chunk 0 is written already"):
        blob.write(0)
    writer.abort()


def test_an_aborted_chunk_can_be_written_again(blob: Blob) -> None:
    writer = blob.write(0)
    writer.write(b"wrong")
    writer.abort()
    writer.abort()
    assert blob.state(0) is ChunkState.MISSING
    put(blob, 0, DATA)
    assert os.pread(blob.fd, CHUNK_BYTES, 0) == DATA[:CHUNK_BYTES]


def test_too_few_bytes_are_no_chunk(blob: Blob) -> None:
    writer = blob.write(0)
    writer.write(DATA[:100])
    with pytest.raises(CorruptBlob, match=f"100 of {CHUNK_BYTES} bytes came"):
        writer.commit()
    assert blob.state(0) is ChunkState.MISSING
    put(blob, 0, DATA)


def test_too_many_bytes_do_not_reach_the_next_chunk(blob: Blob) -> None:
    put(blob, 1, DATA)
    writer = blob.write(0)
    with pytest.raises(CorruptBlob, match="run over its end"):
        writer.write(DATA[: CHUNK_BYTES + 1])
    writer.abort()
    assert os.pread(blob.fd, CHUNK_BYTES, CHUNK_BYTES) == DATA[CHUNK_BYTES : 2 * CHUNK_BYTES]


def test_a_writer_ends_once(blob: Blob) -> None:
    writer = blob.write(3)
    writer.write(DATA[3 * CHUNK_BYTES :])
    writer.commit()
    with pytest.raises(ValueError, match="committed or aborted already"):
        writer.commit()


def test_chunks_outside_the_object(blob: Blob) -> None:
    with pytest.raises(IndexError):
        blob.write(4)
    with pytest.raises(IndexError):
        blob.state(4)


def test_a_writer_keeps_the_blob_open(store: Store) -> None:
    info = describe("o", DATA)
    blob = store.acquire(info)
    writer = blob.write(0)
    blob.release()
    writer.write(DATA[:CHUNK_BYTES])
    assert not store.evict(blob.blob_id)
    writer.commit()
    status = store.find(info)
    assert status is not None
    assert (status.references, status.resident_bytes) == (0, CHUNK_BYTES)


def test_everybody_has_the_same_object_until_the_last_release(store: Store) -> None:
    info = describe("o", DATA)
    first, second = store.acquire(info), store.acquire(info)
    assert first is second
    first.release()
    assert os.fstat(second.fd)
    second.release()
    assert second.fd == -1
    with pytest.raises(RuntimeError, match="released more often"):
        second.release()


def suspect_blob(tier: Path) -> tuple[Store, Blob]:
    """A whole blob of an earlier boot."""
    info = described_with_crc("s", DATA)
    store = open_store(tier, boot_id="boot 1")
    fill(store, info, DATA)
    store.close()
    store = open_store(tier, boot_id="boot 2")
    return store, store.acquire(info)


def test_another_boot_makes_every_chunk_suspect(tmp_path: Path) -> None:
    store, blob = suspect_blob(tmp_path / "tier")
    assert [blob.state(chunk) for chunk in range(4)] == [ChunkState.SUSPECT] * 4
    assert (blob.sealed, blob.resident_bytes, blob.resident(ByteRange(0, 1))) == (False, 0, False)
    store.close()


def test_suspect_chunks_are_verified_one_by_one_and_seal_again(tmp_path: Path) -> None:
    store, blob = suspect_blob(tmp_path / "tier")
    assert blob.verify(2)
    assert (blob.state(2), blob.state(1)) == (ChunkState.PRESENT, ChunkState.SUSPECT)
    assert all(blob.verify(chunk) for chunk in range(4))
    assert blob.sealed
    store.close()


def test_a_suspect_chunk_that_rotted_is_missing_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store, blob = suspect_blob(tmp_path / "tier")
    flip_bit(tmp_path / "tier", blob.blob_id, CHUNK_BYTES + 7)
    assert not blob.verify(1)
    assert blob.state(1) is ChunkState.MISSING
    assert store.statistics().corrupt_chunks == 1
    assert "chunk 1 does not have its hash" in caplog.text
    put(blob, 1, DATA)
    assert all(blob.verify(chunk) for chunk in range(4))
    assert blob.sealed
    store.close()


def test_a_suspect_chunk_may_be_written_instead_of_verified(tmp_path: Path) -> None:
    store, blob = suspect_blob(tmp_path / "tier")
    flip_bit(tmp_path / "tier", blob.blob_id, 0)
    writer = blob.write(0)
    assert blob.state(0) is ChunkState.MISSING
    assert not blob.verify(0)
    writer.write(DATA[:CHUNK_BYTES])
    writer.commit()
    assert os.pread(blob.fd, CHUNK_BYTES, 0) == DATA[:CHUNK_BYTES]
    store.close()


def test_what_was_verified_in_this_boot_needs_no_second_look(tmp_path: Path) -> None:
    store, blob = suspect_blob(tmp_path / "tier")
    blob.verify(0)
    store.close()
    store = open_store(tmp_path / "tier", boot_id="boot 2")
    blob = store.acquire(described_with_crc("s", DATA))
    assert (blob.state(0), blob.state(1)) == (ChunkState.PRESENT, ChunkState.SUSPECT)
    store.close()
