"""Bitsets do what Python's own sets do, whatever the chunks."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from cachefs import bitset

members = st.sets(st.integers(0, 400))
numbers = st.integers(-2, 410)


@given(members)
def test_building_and_walking(chunks: set[int]) -> None:
    built = bitset.of(chunks)
    assert list(bitset.each(built)) == sorted(chunks)
    assert bitset.count(built) == len(chunks)


@given(st.integers(0, 400), st.integers(0, 400))
def test_spans(start: int, stop: int) -> None:
    assert bitset.span(start, stop) == bitset.of(range(start, stop))


@given(members, numbers)
def test_cutting_off_an_end(chunks: set[int], number: int) -> None:
    built, ascending = bitset.of(chunks), sorted(chunks)
    kept = max(0, number)
    assert bitset.lowest(built, number) == bitset.of(ascending[:kept])
    assert bitset.highest(built, number) == bitset.of(ascending[::-1][:kept])


@given(members.filter(bool), st.data())
def test_members_by_rank(chunks: set[int], data: st.DataObject) -> None:
    rank = data.draw(st.integers(0, len(chunks) - 1))
    assert bitset.nth(bitset.of(chunks), rank) == sorted(chunks)[rank]
    assert bitset.first(bitset.of(chunks)) == min(chunks)


@given(members.filter(bool), st.integers())
def test_a_drawn_chunk_is_a_member(chunks: set[int], seed: int) -> None:
    assert bitset.random_chunk(bitset.of(chunks), random.Random(seed)) in chunks


@given(members, st.integers(0, 50))
def test_bytes_there_and_back(chunks: set[int], further: int) -> None:
    count = max(chunks, default=-1) + 1 + further
    data = bitset.to_bytes(bitset.of(chunks), count)
    assert len(data) == (count + 7) // 8
    assert bitset.from_bytes(data, count) == bitset.of(chunks)
