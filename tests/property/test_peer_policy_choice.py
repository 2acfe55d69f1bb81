"""What holds for every choice of chunk and peer, and for whom is followed, whatever the wishes."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from cachefs.types import BlobId
from peer.policy.choice import Holding, Wish, choose
from peer.policy.following import choose_followed
from peer.values import Identity, PeerId

CHUNKS = 40
PEERS = [PeerId(f"{name}@1") for name in "abcdefgh"]

chunk_sets = st.integers(0, (1 << CHUNKS) - 1)
holdings = st.lists(
    st.builds(Holding, st.sampled_from(PEERS), chunk_sets, st.booleans()),
    max_size=8,
    unique_by=lambda holding: holding.peer,
)
wishes = st.lists(
    st.builds(Wish, st.sampled_from([BlobId("x"), BlobId("y")]), chunk_sets, st.booleans(), holdings), max_size=4
)
usable_peers = st.sets(st.sampled_from(PEERS))
loads = st.dictionaries(st.sampled_from(PEERS), st.integers(0, 12))
slot_counts = st.integers(1, 16)
seeds = st.integers(0, 1 << 32)


def available(wishes: list[Wish], usable: set[PeerId]) -> set[tuple[BlobId, int, PeerId]]:
    return {
        (wish.blob, chunk, holding.peer)
        for wish in wishes
        for holding in wish.holdings
        if holding.peer in usable
        for chunk in range(CHUNKS)
        if wish.chunks & holding.have & 1 << chunk
    }


@given(wishes, loads, slot_counts, slot_counts, usable_peers, seeds)
def test_choices_are_possible_distinct_and_use_every_slot_they_can(
    wishes: list[Wish], in_flight: dict[PeerId, int], free: int, slots: int, usable: set[PeerId], seed: int
) -> None:
    choices = choose(wishes, in_flight, free, usable, random.Random(seed), slots=slots)
    possible = available(wishes, usable)
    chunks = [(choice.blob, choice.chunk) for choice in choices]
    assert {(choice.blob, choice.chunk, choice.peer) for choice in choices} <= possible
    assert len(set(chunks)) == len(chunks)
    assert len(choices) == min(free, len({(blob, chunk) for blob, chunk, _ in possible}))


@given(wishes, loads, slot_counts, usable_peers, seeds)
def test_the_same_generator_gives_the_same_choices(
    wishes: list[Wish], in_flight: dict[PeerId, int], slots: int, usable: set[PeerId], seed: int
) -> None:
    before = dict(in_flight)
    once, again = (choose(wishes, in_flight, slots, usable, random.Random(seed), slots=slots) for _ in range(2))
    assert once == again
    assert in_flight == before


@given(chunk_sets, holdings, slot_counts, seeds)
def test_an_ordered_wish_takes_the_lowest_there_are(
    chunks: int, holdings: list[Holding], slots: int, seed: int
) -> None:
    wish = Wish(BlobId("x"), chunks, ordered=True, holdings=holdings)
    choices = choose([wish], {}, slots, PEERS, random.Random(seed), slots=slots)
    possible = sorted({chunk for _, chunk, _ in available([wish], set(PEERS))})
    assert [choice.chunk for choice in choices] == possible[:slots]


@given(chunk_sets, st.integers(2, 8), slot_counts, seeds)
def test_no_peer_gets_more_than_half_while_another_holds_the_same(
    chunks: int, holders: int, slots: int, seed: int
) -> None:
    wish = Wish(BlobId("x"), chunks, ordered=False, holdings=[Holding(peer, chunks, True) for peer in PEERS[:holders]])
    asked = Counter(choice.peer for choice in choose([wish], {}, slots, PEERS, random.Random(seed), slots=slots))
    assert max(asked.values(), default=0) <= -(-slots // 2)


@given(chunk_sets, holdings, slot_counts, seeds)
def test_a_border_is_crossed_only_for_what_the_zone_does_not_have(
    chunks: int, holdings: list[Holding], slots: int, seed: int
) -> None:
    wish = Wish(BlobId("x"), chunks, ordered=False, holdings=holdings)
    same_zone = {holding.peer: holding.same_zone for holding in holdings}
    for choice in choose([wish], {}, slots, PEERS, random.Random(seed), slots=slots):
        near = any(holding.same_zone and holding.have >> choice.chunk & 1 for holding in holdings)
        assert same_zone[choice.peer] == near


def member(number: int, zone: str) -> Identity:
    return Identity(node_id=f"n{number}", boot_id="0", address="h:1", lane_port=0, zone=zone, chunk_bytes=1)


members = st.lists(st.sampled_from(["z1", "z2", "z3"]), max_size=40).map(
    lambda zones: [member(number, zone) for number, zone in enumerate(zones)]
)


@given(members, st.integers(0, 30), st.integers(0, 1000), st.integers(0, 1000))
def test_as_many_are_followed_as_may_be_and_the_same_next_time(
    members: list[Identity], limit: int, seed: int, later_seed: int
) -> None:
    once = choose_followed("z1", members, limit, random.Random(seed))
    followed = {identity.peer_id for identity in once}
    assert len(followed) == len(once) == min(limit, len(members))
    again = choose_followed("z1", members, limit, random.Random(later_seed), followed=followed)
    assert {identity.peer_id for identity in again} == followed


@given(members, st.integers(2, 30), st.integers(0, 1000))
def test_no_zone_is_followed_alone_while_there_are_others(members: list[Identity], limit: int, seed: int) -> None:
    chosen = {identity.zone == "z1" for identity in choose_followed("z1", members, limit, random.Random(seed))}
    assert chosen == {identity.zone == "z1" for identity in members}
