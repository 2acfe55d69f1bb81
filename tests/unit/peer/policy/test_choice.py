"""Which chunk of which peer: DESIGN section 9, rules 1, 2, 6 and 8, one by one."""

from __future__ import annotations

import random
from collections import Counter

from cachefs import bitset
from cachefs.sharing import ChunkSet
from cachefs.types import BlobId
from peer.policy.choice import Choice, Holding, Wish, choose
from peer.values import PeerId

BLOB, OTHER = BlobId("a" * 32), BlobId("b" * 32)
A, B, C = PeerId("a@1"), PeerId("b@1"), PeerId("c@1")
ALL = bitset.span(0, 100)
SLOTS = 10


def holding(peer: PeerId, have: ChunkSet = ALL, *, same_zone: bool = True) -> Holding:
    return Holding(peer, have, same_zone)


def wish(*holdings: Holding, chunks: ChunkSet = ALL, ordered: bool = False, blob: BlobId = BLOB) -> Wish:
    return Wish(blob, chunks, ordered, holdings)


def chosen(
    *wishes: Wish, free: int = SLOTS, in_flight: dict[PeerId, int] | None = None, seed: int = 1, slots: int = SLOTS
) -> list[Choice]:
    return choose(wishes, in_flight or {}, free, {A, B, C}, random.Random(seed), slots=slots)


def chunks(choices: list[Choice]) -> list[int]:
    return [choice.chunk for choice in choices]


def test_nothing_is_chosen_without_slots_wishes_or_holders() -> None:
    assert chosen(wish(holding(A)), free=0) == chosen(wish(holding(A)), free=-2) == chosen() == chosen(wish()) == []


def test_a_peer_that_is_not_usable_is_not_asked() -> None:
    assert chosen(wish(holding(PeerId("quarantined@1")))) == []


def test_an_ordered_wish_takes_the_lowest_chunks_that_somebody_has() -> None:
    odd = bitset.of(range(1, 100, 2))
    assert chunks(chosen(wish(holding(A, odd), ordered=True), free=3)) == [1, 3, 5]


def test_others_take_random_chunks() -> None:
    taken = chunks(chosen(wish(holding(A), holding(B))))
    assert len(set(taken)) == SLOTS
    assert taken != sorted(taken)
    assert max(taken) > 50


def test_rare_chunks_come_sooner_than_common_ones() -> None:
    """Half of the chunks have one holder, half three: of four samples one is nearly always rare."""
    rare = bitset.span(50, 100)
    holders = (holding(A), holding(B, ALL ^ rare), holding(C, ALL ^ rare))
    first = [chosen(wish(*holders), free=1, seed=seed)[0].chunk for seed in range(200)]
    assert sum(chunk >= 50 for chunk in first) > 160


def test_wishes_are_served_in_order_of_urgency() -> None:
    urgent, later = wish(holding(A), ordered=True), wish(holding(A), ordered=True, blob=OTHER)
    assert [choice.blob for choice in chosen(urgent, later)] == [BLOB] * SLOTS
    few = wish(holding(A), ordered=True, chunks=bitset.span(0, 3))
    assert [choice.blob for choice in chosen(few, later)] == [BLOB] * 3 + [OTHER] * (SLOTS - 3)


def test_a_quarter_of_the_slots_is_kept_for_unordered_wishes() -> None:
    in_order, rest = wish(holding(A), ordered=True), wish(holding(A), blob=OTHER)
    for seed in range(50):
        assert sum(choice.blob == OTHER for choice in chosen(in_order, rest, seed=seed)) in (2, 3)
    singly = Counter(chosen(in_order, rest, free=1, seed=seed)[0].blob for seed in range(400))
    assert 60 < singly[OTHER] < 140


def test_with_few_slots_none_is_kept() -> None:
    choices = chosen(wish(holding(A), ordered=True), wish(holding(A), blob=OTHER), free=3, slots=3)
    assert [choice.blob for choice in choices] == [BLOB] * 3


def test_kept_slots_that_nobody_can_use_go_to_the_reader() -> None:
    assert len(chosen(wish(holding(A), ordered=True), wish(holding(A, 0), blob=OTHER))) == SLOTS


def test_one_chunk_in_two_wishes_is_asked_for_once() -> None:
    few = bitset.span(0, 6)
    choices = chosen(wish(holding(A), chunks=few, ordered=True), wish(holding(A), chunks=few))
    assert sorted(chunks(choices)) == list(range(6))


def test_the_less_loaded_of_two_holders_is_asked() -> None:
    choices = chosen(wish(holding(A), holding(B)), in_flight={A: 4}, free=4)
    assert [choice.peer for choice in choices] == [B] * 4


def test_requests_are_spread() -> None:
    asked = Counter(choice.peer for choice in chosen(wish(holding(A), holding(B), holding(C)), free=9, slots=9))
    assert max(asked.values()) <= 5
    assert len(asked) == 3


def test_one_peer_gets_half_of_the_slots_while_others_have_something() -> None:
    few = bitset.span(0, 8)
    asked = Counter(choice.peer for choice in chosen(wish(holding(A), holding(B, few))))
    assert asked == {A: 5, B: 5}


def test_a_lone_holder_gets_all_of_them() -> None:
    assert [choice.peer for choice in chosen(wish(holding(A), holding(B, 0)))] == [A] * SLOTS


def test_a_peer_with_enough_to_do_is_asked_for_an_earlier_wish_only_after_others_for_a_later_one() -> None:
    earlier, later = wish(holding(A)), wish(holding(B), blob=OTHER)
    asked = [(choice.blob, choice.peer) for choice in chosen(earlier, later, in_flight={A: 4}, free=6)]
    assert asked == [(BLOB, A)] + [(OTHER, B)] * 5
    assert len(chosen(earlier, later, in_flight={A: 5, B: 5}, free=6)) == 6


def test_what_a_reader_needs_next_is_asked_even_of_a_peer_with_enough_to_do() -> None:
    holders = (holding(A), holding(B, bitset.span(50, 100)))
    assert chunks(chosen(wish(*holders, ordered=True), in_flight={A: 5}, free=3)) == [0, 1, 2]


def test_the_own_zone_is_asked_first_even_when_it_has_more_to_do() -> None:
    choices = chosen(wish(holding(A, bitset.span(0, 50)), holding(B, same_zone=False)), in_flight={A: 4})
    assert all(choice.peer == (A if choice.chunk < 50 else B) for choice in choices)
    assert {choice.peer for choice in choices} == {A, B}
