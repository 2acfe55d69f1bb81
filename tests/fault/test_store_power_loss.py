"""Power loss: index and data reach the disk in any order, or not at all. No byte that is wrong is ever believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cachefs.faults import PlannedFaults
from cachefs.store import ChunkState, Store
from cachefs.store.layout import BlobPaths, blob_paths
from cachefs.store.oscalls import FaultyCalls
from tests.fired import journal
from tests.unit.store.world import (
    CHUNK_BYTES,
    blob_id_of,
    content,
    described_with_crc,
    fill,
    occupied_bytes,
    open_store,
    put,
)

DATA = content(4 * CHUNK_BYTES)
INFO = described_with_crc("o", DATA)
HEADER, RECORD = 64, 32


def zero(path: Path, start: int, length: int) -> None:
    """Pages that were never written back."""
    with open(path, "r+b") as file:
        os.pwrite(file.fileno(), bytes(length), start)


def lose_data_pages(paths: BlobPaths) -> None:
    zero(paths.data, CHUNK_BYTES, CHUNK_BYTES + 4096)


def lose_all_data(paths: BlobPaths) -> None:
    zero(paths.data, 0, len(DATA))


def lose_the_end_of_data(paths: BlobPaths) -> None:
    os.truncate(paths.data, CHUNK_BYTES)


def lose_all_records(paths: BlobPaths) -> None:
    zero(paths.index, HEADER, 4 * RECORD)


def lose_the_header(paths: BlobPaths) -> None:
    zero(paths.index, 0, HEADER)


def lose_the_index(paths: BlobPaths) -> None:
    os.truncate(paths.index, 0)


def tear_a_record(paths: BlobPaths) -> None:
    zero(paths.index, HEADER + RECORD + 20, 12)  # half of the hash of chunk 1


def tear_states(paths: BlobPaths) -> None:
    with open(paths.index, "r+b") as file:
        os.pwrite(file.fileno(), b"\xa5", HEADER + 2 * RECORD)


def empty_meta(paths: BlobPaths) -> None:
    os.truncate(paths.meta, 0)


def lose_meta(paths: BlobPaths) -> None:
    paths.meta.unlink()


LOSSES = [
    lose_data_pages,
    lose_all_data,
    lose_the_end_of_data,
    lose_all_records,
    lose_the_header,
    lose_the_index,
    tear_a_record,
    tear_states,
    empty_meta,
    lose_meta,
]


def assert_only_right_bytes_are_believed(store: Store) -> None:
    """As a reader uses it: what is SUSPECT is verified first, what is missing is fetched."""
    blob = store.acquire(INFO)
    for chunk in range(4):
        span = blob.key.chunk_range(chunk)
        if blob.verify(chunk):
            assert os.pread(blob.fd, len(span), span.start) == DATA[span.start : span.stop]
        else:
            put(blob, chunk, DATA)
    assert blob.sealed
    assert os.pread(blob.fd, len(DATA), 0) == DATA
    blob.release()


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_that_is_wrong_is_believed(tmp_path: Path, lose: Callable[[BlobPaths], None]) -> None:
    store = open_store(tmp_path, boot_id="before")
    fill(store, INFO, DATA)
    store.close()
    lose(blob_paths(tmp_path, blob_id_of(INFO)))
    store = open_store(tmp_path, boot_id="after")
    assert_only_right_bytes_are_believed(store)
    assert store.statistics().tiers[0].used_bytes == occupied_bytes(tmp_path)
    store.close()


def test_what_was_not_lost_is_not_fetched_again(tmp_path: Path) -> None:
    store = open_store(tmp_path, boot_id="before")
    fill(store, INFO, DATA)
    store.close()
    lose_data_pages(blob_paths(tmp_path, blob_id_of(INFO)))
    store = open_store(tmp_path, boot_id="after")
    blob = store.acquire(INFO)
    assert [blob.verify(chunk) for chunk in range(4)] == [True, False, False, True]
    assert store.statistics().verified_bytes == len(DATA)
    store.close()


def test_a_wrong_chunk_is_not_believed_again_though_the_disk_takes_no_writes(tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    plan.write_text(json.dumps({"faults": []}))
    store = open_store(tmp_path / "tier", calls=FaultyCalls(PlannedFaults(plan, fired=journal())))
    blob_id = fill(store, INFO, DATA)
    zero(blob_paths(tmp_path / "tier", blob_id).data, 5, 3)
    faults = [{"label": f"store.{step}", "kind": "errno", "errno": "EROFS"} for step in ("index_clear", "disown")]
    plan.write_text(json.dumps({"faults": faults}))
    assert store.verify(blob_id) == [0]
    plan.write_text(json.dumps({"faults": []}))
    blob = store.acquire(INFO)
    assert blob.state(0) is ChunkState.MISSING
    put(blob, 0, DATA)
    blob.release()
    store.close()
