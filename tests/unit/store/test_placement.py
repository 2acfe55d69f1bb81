"""Which tier, which victims, how much room."""

from __future__ import annotations

from pathlib import Path

from cachefs.store.placement import Candidate, TierRoom, blocks, choose_victims, headroom, preference
from cachefs.store.values import TierSettings
from cachefs.types import BlobId

FULL = TierRoom(capacity_bytes=100, room_bytes=0, evictable_bytes=0)
EVICTABLE = TierRoom(capacity_bytes=100, room_bytes=10, evictable_bytes=80)
EMPTY = TierRoom(capacity_bytes=100, room_bytes=100, evictable_bytes=0)
SMALL = TierRoom(capacity_bytes=20, room_bytes=20, evictable_bytes=0)


def candidate(name: str, size: int, when: float) -> Candidate:
    return Candidate(BlobId(name), size, when)


def test_the_first_tier_with_room_wins() -> None:
    assert preference(50, [EMPTY, EMPTY]) == [0, 1]


def test_room_now_is_better_than_room_after_eviction() -> None:
    assert preference(50, [EVICTABLE, EMPTY]) == [1, 0]


def test_room_after_eviction_is_better_than_a_tier_in_use() -> None:
    assert preference(50, [FULL, EVICTABLE]) == [1, 0]


def test_what_fits_nowhere_goes_where_most_of_it_does() -> None:
    assert preference(50, [SMALL, FULL]) == [0, 1]
    assert preference(500, [SMALL, EVICTABLE, FULL, EMPTY]) == [3, 1, 0, 2]


def test_a_tier_smaller_than_the_blob_comes_after_one_that_can_make_room() -> None:
    assert preference(50, [SMALL, EVICTABLE]) == [1, 0]


def test_what_open_blobs_still_want_is_not_given_away() -> None:
    wanted = TierRoom(capacity_bytes=100, room_bytes=-60, evictable_bytes=80)
    assert preference(50, [wanted, EVICTABLE]) == [1, 0]


def test_victims_are_the_coldest_that_suffice() -> None:
    blobs = [candidate("warm", 50, 3.0), candidate("cold", 10, 1.0), candidate("cool", 20, 2.0)]
    assert choose_victims(blobs, 15) == ["cold", "cool"]


def test_among_equals_the_one_with_most_copies_goes_first() -> None:
    blobs = [Candidate(BlobId(name), 10, when, copies) for name, when, copies in LAST_COPIES]
    assert choose_victims(blobs, 15) == ["older", "three"]
    assert choose_victims(blobs, 40) == ["older", "three", "two", "last"]


LAST_COPIES = [("last", 61.0, 0), ("two", 62.0, 2), ("three", 63.0, 3), ("older", 59.0, 0)]


def test_all_go_when_they_do_not_suffice() -> None:
    assert choose_victims([candidate("cold", 10, 1.0)], 11) == ["cold"]


def test_no_victims_when_nothing_lacks() -> None:
    assert choose_victims([candidate("cold", 10, 1.0)], 0) == []


def test_headroom_is_the_tighter_of_cap_and_floor() -> None:
    settings = TierSettings(Path("/t"), capacity_bytes=100, min_free_bytes=30)
    assert headroom(settings, taken_bytes=40, free_bytes=1000, reserved_on_device_bytes=0) == 60
    assert headroom(settings, taken_bytes=40, free_bytes=80, reserved_on_device_bytes=20) == 30
    assert headroom(settings, taken_bytes=40, free_bytes=20, reserved_on_device_bytes=0) == -10


def test_blocks_round_up() -> None:
    assert [blocks(size) for size in (0, 1, 4096, 4097)] == [0, 4096, 4096, 8192]
