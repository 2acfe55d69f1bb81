"""What fits beside what may not go, and what is named when it does not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import NoSpace
from cachefs.store import Store
from cachefs.store.admission import Need, place
from cachefs.types import BlobId
from tests.unit.store.world import CHUNK_BYTES, blob_id_of, content, describe, fill, open_store, put

DATA = content(4 * CHUNK_BYTES)
CAPACITY = 200_000  # two blobs of DATA with their indexes, not three
INFOS = [describe(name, DATA) for name in "abc"]


def need(size: int, tier: int | None = None) -> Need:
    return Need(BlobId(f"{size}-{tier}"), size, tier)


def lacking_bytes(needs: list[Need], rooms: list[int]) -> int:
    return place(needs, rooms).lacking_bytes


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
    store.admit(INFOS[1:], "p")
    assert store.find(INFOS[0]) is not None  # nothing went


def test_what_is_larger_than_the_tier_is_refused_whatever_goes(store: Store) -> None:
    with pytest.raises(NoSpace, match="more than can be freed") as caught:
        store.admit(INFOS, "p")
    assert caught.value.in_the_way == ()
    assert caught.value.hint == "raise a tier's capacity"


def test_open_and_pinned_blobs_are_named_as_in_the_way(store: Store) -> None:
    fill(store, INFOS[0], DATA)
    blob = store.acquire(INFOS[1])
    put(blob, 0, DATA)
    store.pin(blob_id_of(INFOS[0]), "lease")
    with pytest.raises(NoSpace) as caught:
        store.admit([INFOS[2], describe("d", DATA)], "p")
    larger, smaller = caught.value.in_the_way
    assert (larger.blob_id, larger.uri, larger.held_by) == (blob_id_of(INFOS[0]), INFOS[0].uri, ("lease",))
    assert (smaller.blob_id, smaller.held_by) == (blob.blob_id, ("open",))
    assert len(DATA) <= larger.size_bytes > smaller.size_bytes >= CHUNK_BYTES
    blob.release()


def test_what_is_complete_needs_no_more(store: Store) -> None:
    fill(store, INFOS[0], DATA)
    store.pin(blob_id_of(INFOS[0]))
    store.admit(INFOS[:2], "p")
    store.admit([INFOS[0], INFOS[0], INFOS[1]], "p")


def test_what_was_promised_to_one_is_not_promised_to_another(store: Store) -> None:
    fill(store, describe("cold", DATA), DATA)
    store.admit(INFOS[:1], "first")
    store.admit(INFOS[1:2], "second")  # in place of what is cold
    with pytest.raises(NoSpace) as caught:
        store.admit(INFOS[2:], "third")
    assert {(way.blob_id, way.held_by) for way in caught.value.in_the_way} == {
        (blob_id_of(INFOS[0]), ("first",)),
        (blob_id_of(INFOS[1]), ("second",)),
    }
    assert all(way.size_bytes > len(DATA) for way in caught.value.in_the_way)  # what they will be
    store.dismiss("first")
    store.dismiss("first")
    store.admit(INFOS[2:], "third")


def test_what_two_want_is_promised_once(store: Store) -> None:
    store.admit(INFOS[:2], "first")
    store.admit(INFOS[1::-1], "second")
    store.dismiss("first")
    with pytest.raises(NoSpace):
        store.admit(INFOS[2:], "third")
    store.dismiss("second")
    store.admit(INFOS[2:], "third")


def test_who_asks_again_has_the_new_promise_instead_of_the_old_one(store: Store) -> None:
    store.admit(INFOS[:2], "first")
    store.admit(INFOS[1:], "first")
    with pytest.raises(NoSpace):
        store.admit(INFOS[:1], "second")


def test_who_is_refused_is_promised_nothing(store: Store) -> None:
    with pytest.raises(NoSpace):
        store.admit(INFOS, "first")
    store.admit(INFOS[:2], "second")


def test_what_came_already_is_not_reckoned_twice(store: Store) -> None:
    store.admit(INFOS[:2], "first")
    fill(store, INFOS[0], DATA)
    store.pin(blob_id_of(INFOS[0]), "lease")
    store.admit(INFOS[:1], "second")
    store.dismiss("first")
    store.admit(INFOS[:2], "third")


def test_a_promise_that_readers_broke_takes_nothing_from_who_needs_nothing(store: Store) -> None:
    store.admit(INFOS[1:], "first")
    fill(store, INFOS[0], DATA)
    fill(store, INFOS[1], DATA)
    store.pin(blob_id_of(INFOS[0]), "by hand")
    store.admit(INFOS[:1], "second")
