"""Whole swarms in lock-step: each chunk leaves the origin once, and every node gets them all.

The swarm here is the simplest there is. In each round every node decides, then some of what is under way lands, then
some of what others hold is copied. Nodes see each other's state as it is, or as it was when the round began.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from cachefs import bitset
from cachefs.sharing import ChunkSet
from cachefs.types import BlobId
from peer.policy.duty import SMALL_SWARM, OriginView, duty, origin_now, quota
from peer.values import PeerId

BLOB = BlobId("d" * 32)
ROUNDS = 3000
"""Far more than any swarm here needs: who needs more is stuck."""


@dataclass
class Swarm:
    """`stuck` nodes begin origin requests that never end."""

    count: int
    chunk_count: int
    rng: random.Random
    stuck: Collection[int] = ()
    late_rounds: int = 40
    asked: Counter[int] = field(default_factory=Counter)
    round: int = 0

    def __post_init__(self) -> None:
        self.all = bitset.span(0, self.chunk_count)
        ids = [PeerId(f"node{number}@{self.rng.random()}") for number in range(self.count)]
        self.duties = {number: duty(peer, ids, BLOB, self.chunk_count) for number, peer in enumerate(ids)}
        self.have = dict.fromkeys(range(self.count), 0)
        self.fetching = dict.fromkeys(range(self.count), 0)
        self.untouched: list[ChunkSet] = []
        self.announced: dict[tuple[int, int], int] = {}

    def run(self, *, by_turns: bool) -> None:
        while any(have != self.all for have in self.have.values()):
            self.round += 1
            assert self.round < ROUNDS, "stuck"
            self.untouched.append(self.all & ~union(self.have.values()) & ~union(self.fetching.values()))
            seen = None if by_turns else (dict(self.have), dict(self.fetching))
            for number in self.rng.sample(range(self.count), self.count):
                self.decide(number, *(seen or (self.have, self.fetching)))
            self.land()
            self.copy()

    def decide(self, number: int, have: dict[int, ChunkSet], fetching: dict[int, ChunkSet]) -> None:
        others = [other for other in range(self.count) if other != number]
        held = union(have[other] for other in others)
        announced = union(fetching[other] for other in others)
        late = bitset.of(chunk for (_, chunk), began in self.announced.items() if self.round - began > self.late_rounds)
        asked = origin_now(
            OriginView(
                missing=self.all & ~self.have[number] & ~self.fetching[number],
                held=held,
                fetching=announced & ~late,
                late=late,
                duty=self.duties[number],
                urgent=0,
                running=self.fetching[number].bit_count(),
                nodes=self.count,
                relief=False,
                swarm_missing=self.all & ~held & ~self.have[number],
                waiting=self.untouched[-3] if len(self.untouched) > 2 else 0,
            )
        )
        self.asked.update(bitset.each(asked))
        self.announced |= {(number, chunk): self.round for chunk in bitset.each(asked)}
        self.fetching[number] |= asked

    def land(self) -> None:
        for number in range(self.count):
            if number in self.stuck:
                continue
            landed = bitset.of(chunk for chunk in bitset.each(self.fetching[number]) if self.rng.random() < 0.3)
            self.have[number] |= landed
            self.fetching[number] &= ~landed
            for chunk in bitset.each(landed):
                del self.announced[number, chunk]

    def copy(self) -> None:
        somewhere = union(self.have.values())
        for number, have in self.have.items():
            copied = somewhere & ~have & self.rng.getrandbits(self.chunk_count)
            self.have[number] |= copied
            if number in self.stuck:
                self.fetching[number] &= ~copied


def union(sets: Iterable[ChunkSet]) -> ChunkSet:
    result = 0
    for chunks in sets:
        result |= chunks
    return result


chunk_counts = st.integers(1, 300)
rngs = st.integers(0, 1 << 32).map(random.Random)


@settings(max_examples=60)
@given(st.integers(2, 24), chunk_counts, rngs)
def test_nodes_that_see_each_other_fetch_each_chunk_once(count: int, chunk_count: int, rng: random.Random) -> None:
    swarm = Swarm(count, chunk_count, rng)
    swarm.run(by_turns=True)
    assert swarm.asked == Counter(range(chunk_count))


@settings(max_examples=30)
@given(st.integers(SMALL_SWARM + 1, 32), chunk_counts, rngs)
def test_a_large_swarm_does_even_when_all_decide_at_once(count: int, chunk_count: int, rng: random.Random) -> None:
    swarm = Swarm(count, chunk_count, rng)
    swarm.run(by_turns=False)
    assert swarm.asked == Counter(range(chunk_count))


@settings(max_examples=30)
@given(st.integers(2, SMALL_SWARM), rngs)
def test_idle_helpers_cost_a_small_swarm_little(count: int, rng: random.Random) -> None:
    """A helper may take what its owner begins in the same round. The promise is 5 % (DESIGN section 1)."""
    swarm = Swarm(count, 300, rng)
    swarm.run(by_turns=False)
    assert swarm.asked.total() <= 1.05 * 300


@settings(max_examples=30)
@given(st.integers(1, SMALL_SWARM), st.integers(2, SMALL_SWARM), rngs)
def test_a_small_file_leaves_the_origin_once(chunk_count: int, count: int, rng: random.Random) -> None:
    """But for what an owner has beyond its quota: a helper may take that in the round in which the owner begins it."""
    swarm = Swarm(count, chunk_count, rng)
    swarm.run(by_turns=False)
    left_waiting = sum(max(0, duty.first.bit_count() - quota(count)) for duty in swarm.duties.values())
    assert chunk_count <= swarm.asked.total() <= chunk_count + left_waiting


@settings(max_examples=30)
@given(st.integers(3, 20), chunk_counts, rngs)
def test_what_a_stuck_node_announced_is_fetched_once_more(count: int, chunk_count: int, rng: random.Random) -> None:
    """Its second-ranked owner takes each such chunk over, and nobody else does."""
    swarm = Swarm(count, chunk_count, rng, stuck=(0,))
    swarm.run(by_turns=True)
    assert max(swarm.asked.values()) <= 2
    twice = bitset.of(chunk for chunk, times in swarm.asked.items() if times == 2)
    assert twice & ~swarm.duties[0].first & ~swarm.duties[0].second == 0
