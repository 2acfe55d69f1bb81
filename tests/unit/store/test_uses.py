"""Who reads which chunk, and which chunks are cold."""

from __future__ import annotations

import itertools

from cachefs.store.uses import Uses
from cachefs.store.values import ChunkState

MISSING, PRESENT, SUSPECT = ChunkState.MISSING, ChunkState.PRESENT, ChunkState.SUSPECT


def uses_of(*states: ChunkState) -> tuple[Uses, bytearray]:
    kept = bytearray(states)
    return Uses(kept, itertools.count(1).__next__), kept


def test_a_chunk_in_use_is_not_withdrawn() -> None:
    uses, states = uses_of(PRESENT, PRESENT)
    assert uses.begin(range(1))
    assert uses.begin(range(2))
    assert not uses.withdraw(0)
    uses.end(range(1))
    assert not uses.withdraw(0)
    uses.end(range(2))
    assert uses.withdraw(0)
    assert list(states) == [MISSING, PRESENT]


def test_what_is_not_here_cannot_be_used_or_withdrawn() -> None:
    uses, _ = uses_of(PRESENT, MISSING, SUSPECT)
    assert not uses.begin(range(2))
    assert not uses.begin(range(2, 3))
    assert not uses.withdraw(1)
    assert uses.withdraw(0)  # the failed uses left no trace


def test_a_chunk_can_be_held_whatever_its_state() -> None:
    uses, states = uses_of(MISSING)
    uses.hold(0)
    states[0] = PRESENT  # it lands meanwhile
    assert not uses.withdraw(0)
    uses.end(range(1))
    assert uses.withdraw(0)


def test_the_coldest_was_used_longest_ago_and_never_comes_first() -> None:
    uses, _ = uses_of(PRESENT, PRESENT, MISSING, SUSPECT, PRESENT)
    uses.touch(0)
    assert uses.begin(range(4, 5))
    uses.end(range(4, 5))
    assert [chunk for _, chunk in uses.coldest(10)] == [1, 3, 0, 4]
    assert [chunk for _, chunk in uses.coldest(2)] == [1, 3]
    assert uses.begin(range(1, 2))
    assert [chunk for _, chunk in uses.coldest(2)] == [3, 0]


def test_idle_are_those_here_without_a_user() -> None:
    uses, _ = uses_of(PRESENT, SUSPECT, MISSING)
    assert uses.idle() == 2
    assert uses.begin(range(1))
    assert uses.idle() == 1
