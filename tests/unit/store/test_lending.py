"""What the peers see of the store: blobs that stay while they are lent, their chunks as a set, their hashes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import xxhash

from cachefs.errors import CorruptBlob
from cachefs.sharing import Lender, LentBlob
from cachefs.store import Store
from cachefs.store.crc64 import crc64
from cachefs.store.layout import blob_paths
from cachefs.types import BlobId
from tests.unit.store.world import (
    CHUNK_BYTES,
    blob_id_of,
    content,
    describe,
    described_with_crc,
    fill,
    flip_bit,
    is_sealed,
    open_store,
    put,
)

COUNT = 11
DATA = content(10 * CHUNK_BYTES + 777)
INFO = describe("x", DATA)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    one = open_store(tmp_path / "tier")
    yield one
    one.close()


def digest_of(chunk: int) -> bytes:
    return xxhash.xxh3_128_digest(DATA[chunk * CHUNK_BYTES : (chunk + 1) * CHUNK_BYTES])


def lent(store: Store, blob_id: BlobId) -> LentBlob:
    blob = store.lend(blob_id)
    assert blob
    return blob


def is_rejected(store: Store) -> bool:
    """As a call, so that the type checker does not take an earlier answer for granted."""
    blob = store.lend(blob_id_of(INFO))
    assert blob
    try:
        return blob.rejected
    finally:
        blob.release()


def test_a_store_is_a_lender(store: Store) -> None:
    lender: Lender = store
    assert lender.lend(blob_id_of(INFO)) is None
    assert list(lender.blob_ids()) == []


def test_what_is_here_can_be_lent_whole(store: Store) -> None:
    blob_id = fill(store, INFO, DATA)
    assert list(store.blob_ids()) == [blob_id]
    blob = lent(store, blob_id)
    assert blob.have == (1 << COUNT) - 1
    assert [blob.digest(chunk) for chunk in range(COUNT)] == [digest_of(chunk) for chunk in range(COUNT)]
    blob.release()


def test_only_what_is_whole_is_lent(store: Store) -> None:
    blob = store.acquire(INFO)
    assert blob.have == 0
    put(blob, 3, DATA)
    writer = blob.write(5)
    writer.write(DATA[5 * CHUNK_BYTES : 6 * CHUNK_BYTES])
    assert blob.have == 1 << 3
    assert blob.digest(5) is None
    writer.commit()
    put(blob, COUNT - 1, DATA)
    assert blob.have == 1 << 3 | 1 << 5 | 1 << COUNT - 1
    assert blob.digest(5) == digest_of(5)
    blob.release()


def test_which_blobs_are_whole_is_told_without_using_them(store: Store) -> None:
    complete, partial = fill(store, INFO, DATA), describe("partial", DATA)
    blob = store.acquire(partial)
    put(blob, 0, DATA)
    asked = [blob.blob_id, complete, blob_id_of(describe("elsewhere", DATA))]
    before = {status.blob_id: status.last_used for status in store.blobs()}
    assert store.whole(asked) == [complete]
    assert {status.blob_id: status.last_used for status in store.blobs()} == before
    for chunk in range(1, COUNT):
        put(blob, chunk, DATA)
    assert store.whole(asked) == asked[:2]  # while it is open, too
    blob.release()


def test_an_empty_blob_has_nothing(store: Store) -> None:
    blob = store.acquire(describe("empty", b""))
    assert blob.have == 0
    blob.release()


def test_what_is_suspect_is_not_lent_until_it_was_verified(tmp_path: Path) -> None:
    before = open_store(tmp_path / "tier", boot_id="before")
    blob = before.acquire(INFO)
    put(blob, 0, DATA)
    put(blob, 1, DATA)
    before.close()  # unclean: nobody gave the blob back
    after = open_store(tmp_path / "tier", boot_id="after")
    blob = after.acquire(INFO)
    assert blob.have == 0
    assert blob.digest(0) is None
    blob.verify(1)
    assert blob.have == 0b10
    assert blob.digest(1) == digest_of(1)
    blob.release()
    after.close()


def test_a_blob_is_not_evicted_while_it_is_lent(store: Store) -> None:
    blob_id = fill(store, INFO, DATA)
    blob = lent(store, blob_id)
    assert not store.evict(blob_id)
    blob.release()
    assert store.evict(blob_id)
    assert store.lend(blob_id) is None
    assert list(store.blob_ids()) == []


def test_it_is_the_same_blob_for_all_who_use_it(store: Store) -> None:
    blob_id = fill(store, INFO, DATA)
    one, other = lent(store, blob_id), lent(store, blob_id)
    assert one is other
    one.release()
    assert other.fd >= 0, "it is still open"
    other.release()


@pytest.mark.expects_warnings
def test_what_rotted_is_lent_no_more(store: Store, tmp_path: Path) -> None:
    blob_id = fill(store, INFO, DATA)
    flip_bit(tmp_path / "tier", blob_id, 4 * CHUNK_BYTES + 1)
    assert store.verify(blob_id) == [4]
    blob = lent(store, blob_id)
    assert blob.have == (1 << COUNT) - 1 & ~(1 << 4)
    assert blob.digest(4) is None
    blob.release()


def test_a_blob_that_cannot_be_opened_is_not_lent(store: Store, tmp_path: Path) -> None:
    blob_id = fill(store, INFO, DATA)
    blob_paths(tmp_path / "tier", blob_id).data.unlink()
    assert store.lend(blob_id) is None


def test_a_writer_tells_the_hash_before_anything_is_published(store: Store) -> None:
    blob = store.acquire(INFO)
    writer = blob.write(0)
    assert writer.digest() == xxhash.xxh3_128_digest(b"")
    writer.write(DATA[:100])
    assert writer.digest() == xxhash.xxh3_128_digest(DATA[:100])
    writer.write(DATA[100:CHUNK_BYTES])
    assert writer.digest() == digest_of(0)
    assert blob.have == 0
    assert writer.commit() == digest_of(0)
    assert blob.have == 1
    blob.release()


def test_a_whole_that_is_wrong_is_rejected_until_it_was_right(store: Store) -> None:
    """Peers must not be asked for it, and that must be known before its chunks are seen to be missing."""
    info = described_with_crc("x", DATA)
    wrong = bytes(CHUNK_BYTES) + DATA[CHUNK_BYTES:]
    blob = store.acquire(info)
    assert not is_rejected(store)
    for chunk in range(COUNT - 1):
        put(blob, chunk, wrong)
    with pytest.raises(CorruptBlob):
        put(blob, COUNT - 1, wrong)
    assert blob.have == 0
    assert is_rejected(store)
    for chunk in range(COUNT):
        assert is_rejected(store)
        put(blob, chunk, DATA)
    assert is_sealed(blob)
    assert not is_rejected(store)
    assert crc64(DATA) == info.crc64
    blob.release()
