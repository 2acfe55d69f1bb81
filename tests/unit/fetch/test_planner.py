"""What is started first, how long spans are, and what fits."""

from __future__ import annotations

from cachefs.fetch.planner import Room, Wish, memory_share, plan, span_length
from cachefs.types import BlobId, Priority
from tests.unit.fetch.kit import BLOB, client

OTHER = BlobId("11" * 16)
CLIENT = client()
ROOM = Room(slots=8, reader_slots=2, verify_slots=2, memory_bytes=1000)


def wish(
    chunks: range, priority: Priority = Priority.PREWARM, *, most: int = 4, cost: int = 1, blob: BlobId = BLOB
) -> Wish:
    return Wish(blob, chunks, priority, most, cost, CLIENT)


def started(tiers: list[list[Wish]], marks: bytes, room: Room = ROOM) -> list[range]:
    return [span.chunks for span in plan(tiers, {BLOB: marks, OTHER: marks}, room)]


def test_coalesces_up_to_the_longest_span() -> None:
    assert started([[wish(range(10))]], b"\1" * 10) == [range(4), range(4, 8), range(8, 10)]


def test_a_span_ends_where_something_is_here_already() -> None:
    assert started([[wish(range(6))]], b"\1\1\0\1\3\1") == [range(2), range(3, 4), range(5, 6)]


def test_the_urgent_tier_comes_first_and_is_not_started_twice() -> None:
    tiers = [[wish(range(5, 6), Priority.READER, most=1)], [wish(range(10))]]
    assert started(tiers, b"\1" * 10) == [range(5, 6), range(4), range(4, 5), range(6, 10)]


def test_two_in_one_tier_take_turns() -> None:
    tiers = [[wish(range(8)), wish(range(8), blob=OTHER)]]
    spans = plan(tiers, {BLOB: b"\1" * 8, OTHER: b"\1" * 8}, ROOM)
    assert [span.blob for span in spans] == [BLOB, OTHER, BLOB, OTHER]


def test_only_waiting_readers_use_the_extra_slots() -> None:
    readers = [wish(range(i, i + 1), Priority.READER) for i in range(4)]
    full = Room(slots=1, reader_slots=2, verify_slots=0, memory_bytes=1000)
    assert len(started([readers, [wish(range(4, 8))]], b"\1" * 8, full)) == 3
    assert started([[wish(range(4, 8))]], b"\1" * 8, Room(0, 2, 0, 1000)) == []


def test_suspect_chunks_are_verified_without_any_slot_of_the_origin() -> None:
    spans = plan([[wish(range(4), most=1)]], {BLOB: b"\2\2\2\1"}, Room(0, 0, 2, 0))
    assert [(span.chunks, span.verify) for span in spans] == [(range(1), True), (range(1, 2), True)]


def test_a_span_that_does_not_fit_into_memory_leaves_the_others_their_turn() -> None:
    tiers = [[wish(range(1), cost=2000)], [wish(range(1, 2), cost=600)], [wish(range(2, 3), cost=600)]]
    assert started(tiers, b"\1" * 3) == [range(1, 2)]


def test_the_marks_given_are_not_changed() -> None:
    marks = b"\1" * 4
    plan([[wish(range(4))]], {BLOB: marks}, ROOM)
    assert marks == b"\1" * 4


def test_spans_shrink_so_that_all_slots_work_to_the_end() -> None:
    assert span_length(8, 32, startable=100, slots=8) == 4
    assert span_length(8, 32, startable=16, slots=8) == 2
    assert span_length(8, 32, startable=3, slots=8) == 1
    assert span_length(64, 32, startable=100, slots=8) == 1, "a chunk is the least"
    assert span_length(8, 32, startable=0, slots=0) == 1


def test_every_origin_finds_some_memory_whatever_the_others_hold() -> None:
    held: list[int] = []
    for _ in range(5):
        held.append(memory_share(1024, 0, sum(held)))
        assert memory_share(1024, held[-1], sum(held[:-1])) == 0
    assert held == [768, 192, 48, 12, 3]
