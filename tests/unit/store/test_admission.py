"""What fits beside what may not go, and what is named when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import NoSpace
from cachefs.store import Store
from cachefs.store.admission import Need, lacking_bytes
from cachefs.types import BlobId
from tests.unit.store.world import CHUNK_BYTES, blob_id_of, content, describe, fill, open_store, put

DATA = content(4 * CHUNK_BYTES)
CAPACITY = 200_000  # two blobs of DATA with their indexes, not three
INFOS = [describe(name, DATA) for name in "abc"]


def need(size: int, tier: int | None = None) -> Need:
    return Need(BlobId(f"{size}-{tier}"), size, tier)


def test_each_blob_needs_one_tier_that_takes_all_of_it() -> None:
    assert lacking_bytes([need(5), need(6)], [6, 5]) == 0
    assert lacking_bytes([need(7)], [6, 5]) == 1
    assert lacking_bytes([need(6), need(6)], [6, 5]) == 1
    assert lacking_bytes([need(3)], []) == 3


def test_what_is_here_already_grows_where_it_is() -> None:
    assert lacking_bytes([need(5, tier=1)], [9, 5]) == 0
    assert lacking_bytes([need(5, tier=1)], [9, 4]) == 1
    assert lacking_bytes([need(4), need(6, tier=0)], [9, 3]) == 1


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path / "tier", capacity_bytes=CAPACITY)
    yield store
    store.close()


def test_cold_blobs_are_no_obstacle(store: Store) -> None:
    fill(store, INFOS[0], DATA)
    fill(store, INFOS[1], DATA)
    store.admit(INFOS[1:])
    assert store.find(INFOS[0]) is not None  # nothing went


def test_what_is_larger_than_the_tier_is_refused_whatever_goes(store: Store) -> None:
    with pytest.raises(NoSpace, match="more than can be freed") as caught:
        store.admit(INFOS)
    assert caught.value.in_the_way == ()
    assert caught.value.hint == "raise a tier's capacity"


def test_open_and_pinned_blobs_are_named_as_in_the_way(store: Store) -> None:
    fill(store, INFOS[0], DATA)
    blob = store.acquire(INFOS[1])
    put(blob, 0, DATA)
    store.pin(blob_id_of(INFOS[0]), "lease")
    with pytest.raises(NoSpace) as caught:
        store.admit([INFOS[2], describe("d", DATA)])
    larger, smaller = caught.value.in_the_way
    assert (larger.blob_id, larger.uri, larger.held_by) == (blob_id_of(INFOS[0]), INFOS[0].uri, ("lease",))
    assert (smaller.blob_id, smaller.held_by) == (blob.blob_id, ("open",))
    assert len(DATA) <= larger.size_bytes > smaller.size_bytes >= CHUNK_BYTES
    blob.release()


def test_what_is_complete_needs_no_more(store: Store) -> None:
    fill(store, INFOS[0], DATA)
    store.pin(blob_id_of(INFOS[0]))
    store.admit(INFOS[:2])
    store.admit([INFOS[0], INFOS[0], INFOS[1]])
