"""The counts of bytes, and what they promise."""

from __future__ import annotations

from cachefs.store.catalog import Account, Catalog, Entry
from cachefs.store.meta import Meta
from cachefs.types import BlobKey


def entry(name: str, allocated_bytes: int = 100, *, size_bytes: int = 1000) -> Entry:
    return Entry(Meta(BlobKey(name, "1", size_bytes, 10), "boot", None), 0, allocated_bytes, 1.0)


def test_a_blob_counts_from_when_it_appears_until_it_is_unlinked() -> None:
    catalog, blob = Catalog(1), entry("a")
    catalog.add(blob)
    assert catalog.accounts[0] == Account(used=100)
    catalog.condemn(blob)
    assert catalog.get(blob.blob_id) is None
    assert catalog.accounts[0] == Account(used=100, leaving=100)
    catalog.departed(blob, freed=True)
    assert catalog.accounts[0] == Account()


def test_what_cannot_be_unlinked_stays_counted() -> None:
    catalog, blob = Catalog(1), entry("a")
    catalog.add(blob)
    catalog.condemn(blob)
    catalog.departed(blob, freed=False)
    assert catalog.accounts[0] == Account(used=100)


def test_the_last_writer_settles_at_what_was_measured() -> None:
    catalog, blob = Catalog(1), entry("a")
    catalog.add(blob)
    catalog.reserve(0, 50)
    catalog.settle(blob, 50, 120)
    assert (blob.allocated_bytes, catalog.accounts[0]) == (120, Account(used=120))


def test_a_measure_that_holds_another_writers_bytes_is_not_counted_twice() -> None:
    catalog, blob = Catalog(1), entry("a")
    catalog.add(blob)
    catalog.reserve(0, 50)
    catalog.reserve(0, 50)
    blob.writers = 1  # the other one, who has written 40 of its 50
    catalog.settle(blob, 50, 190)
    assert catalog.accounts[0] == Account(used=150, reserved=50)


def test_what_cannot_be_measured_counts_in_full() -> None:
    catalog, blob = Catalog(1), entry("a")
    catalog.add(blob)
    catalog.reserve(0, 50)
    catalog.settle(blob, 50, None)
    assert catalog.accounts[0] == Account(used=150)


def test_candidates_are_neither_in_use_nor_pinned() -> None:
    catalog = Catalog(2)
    idle, used, pinned = entry("idle"), entry("used"), entry("pinned")
    used.references = 1
    pinned.holders.add("lease")
    for blob in (idle, used, pinned):
        catalog.add(blob)
    assert [candidate.blob_id for candidate in catalog.candidates(0)] == [idle.blob_id]
    assert catalog.candidates(1) == []


def test_a_pin_outlives_the_entry_and_ends_without_one() -> None:
    catalog, first = Catalog(1), entry("blob")
    catalog.add(first)
    catalog.pin(first, "a")
    catalog.pin(first, "b")
    catalog.forget(first)
    catalog.unpin(first.blob_id, "a")
    catalog.unpin(first.blob_id, "nobody")
    again = entry("blob")
    catalog.add(again)
    assert again.holders == {"b"}
    catalog.unpin(again.blob_id, "b")
    assert again.evictable
    catalog.forget(again)
    catalog.add(third := entry("blob"))
    assert third.evictable


def test_only_blobs_in_use_want_more() -> None:
    catalog, idle, used = Catalog(1), entry("idle"), entry("used")
    used.references = 1
    catalog.add(idle)
    catalog.add(used)
    assert catalog.wanted_bytes(0) == 900
