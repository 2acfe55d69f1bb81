"""Which chunk to ask of which peer.

Which chunks come first decides how long a cold start takes (DESIGN section 9, rule 1): in sequence, all nodes hold the
same and have nothing to give each other. So a chunk that nobody waits for is drawn at random, the rarest of four. Only
what a reader needs next is taken in order, and some slots are kept from it for the rest (rule 2). Of two random holders
the one with less to do is asked (rule 6), the own zone before others (rule 8); our own count of what we asked of it
is load information enough.
"""

from __future__ import annotations

import random
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cachefs import bitset
from cachefs.sharing import ChunkSet
from cachefs.types import BlobId
from peer.values import PeerId

SAMPLES = 4
"""The rarest of so many random chunks is taken (rule 1)."""

COUNTED_HOLDERS = 16
"""How rare a chunk is, is counted over at most so many holders: more bring nothing (rule 6), and each costs time."""

KEPT_RATIO = 0.25
"""Part of the free slots that ordered wishes leave to the others (rule 2)."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What one peer holds of one blob."""

    peer: PeerId
    have: ChunkSet
    same_zone: bool


@dataclass(frozen=True, slots=True)
class Wish:
    """Chunks of one blob that could be asked for now, and who has which."""

    blob: BlobId
    chunks: ChunkSet
    ordered: bool
    """Whether the lowest is wanted first. Otherwise any serves as well as any other."""
    holdings: Sequence[Holding]


@dataclass(frozen=True, slots=True)
class Choice:
    """Ask `peer` for `chunk` of `blob`."""

    blob: BlobId
    chunk: int
    peer: PeerId


def choose(
    wishes: Sequence[Wish],
    in_flight: Mapping[PeerId, int],
    free_slots: int,
    usable: Container[PeerId],
    rng: random.Random,
    *,
    slots: int,
    per_peer: int | None = None,
) -> list[Choice]:
    """What to ask of whom now: at most `free_slots` of this node's `slots`, for `wishes` in order of urgency.

    `in_flight` counts what was asked of each peer already. A peer with `per_peer` of ours (half of `slots` unless
    given) is asked for no more as long as others have something. No chunk is chosen twice.
    """
    round_ = _Round(in_flight, usable, per_peer or -(-slots // 2), rng)
    for_ordered = free_slots - _kept(wishes, free_slots, slots, rng)
    choices: list[Choice] = []
    for wish in wishes:
        left = free_slots - len(choices)
        chosen = round_.choose(wish, min(left, for_ordered) if wish.ordered else left, with_room=not wish.ordered)
        for_ordered -= len(chosen) if wish.ordered else 0
        choices += chosen
    # What only peers have that have enough to do, and what was kept from the ordered wishes and nobody took.
    for wish in sorted(wishes, key=lambda wish: wish.ordered):
        choices += round_.choose(wish, free_slots - len(choices), with_room=False)
    return choices


def _kept(wishes: Sequence[Wish], free_slots: int, slots: int, rng: random.Random) -> int:
    """How many of the free slots ordered wishes leave to the others, if there are both.

    Slots mostly become free one by one. Rounding at random keeps the part right over time without counting what runs.
    """
    if slots < 1 / KEPT_RATIO or len({wish.ordered for wish in wishes}) < 2:
        return 0
    return int(free_slots * KEPT_RATIO + rng.random())


class _Round:
    """One call of `choose`: the load of each peer and the chunks given out, as they grow with each choice."""

    def __init__(
        self, in_flight: Mapping[PeerId, int], usable: Container[PeerId], limit: int, rng: random.Random
    ) -> None:
        self._load = dict(in_flight)
        self._usable = usable
        self._limit = limit
        self._rng = rng
        self._given: dict[BlobId, ChunkSet] = {}

    def choose(self, wish: Wish, most: int, *, with_room: bool) -> list[Choice]:
        """At most `most` chunks of `wish`, each with the peer to ask; of peers `with_room` only, or of all."""
        chosen: list[Choice] = []
        holders = [holding for holding in wish.holdings if holding.peer in self._usable] if most > 0 else []
        available = 0
        while len(chosen) < most and (available := available or self._available(wish, holders, with_room=with_room)):
            chunk = bitset.first(available) if wish.ordered else self._rare(available, holders)
            peer = self._peer([holding for holding in holders if holding.have >> chunk & 1])
            chosen.append(Choice(wish.blob, chunk, peer))
            self._given[wish.blob] = self._given.get(wish.blob, 0) | 1 << chunk
            self._load[peer] = self._load.get(peer, 0) + 1
            # A peer that has enough to do from now on takes what only it has out of the drawing.
            available = 0 if self._load[peer] == self._limit else available & ~(1 << chunk)
        return chosen

    def _available(self, wish: Wish, holders: list[Holding], *, with_room: bool) -> ChunkSet:
        """What can be had."""
        left = wish.chunks & ~self._given.get(wish.blob, 0)
        return left & union(self._with_room(holders) if with_room else holders)

    def _rare(self, available: ChunkSet, holders: list[Holding]) -> int:
        """The rarest of some random ones."""
        counted = holders if len(holders) <= COUNTED_HOLDERS else self._rng.sample(holders, COUNTED_HOLDERS)
        sample = [bitset.random_chunk(available, self._rng) for _ in range(SAMPLES)]
        copies = [sum([holding.have >> chunk & 1 for holding in counted]) for chunk in sample]
        return sample[copies.index(min(copies))]

    def _peer(self, holders: list[Holding]) -> PeerId:
        """The less loaded of two random holders: of this zone if there is one, with room if there is one."""
        near = [holding for holding in holders if holding.same_zone] or holders
        one, other = self._two(self._with_room(near) or near)
        return min(one, other, key=lambda peer: self._load.get(peer, 0))

    def _two(self, holders: list[Holding]) -> tuple[PeerId, PeerId]:
        """Two different ones where there are two."""
        one = int(self._rng.random() * len(holders))
        step = 1 + int(self._rng.random() * (len(holders) - 1))
        return holders[one].peer, holders[(one + step) % len(holders)].peer

    def _with_room(self, holders: list[Holding]) -> list[Holding]:
        return [holding for holding in holders if self._load.get(holding.peer, 0) < self._limit]


def union(holders: Iterable[Holding]) -> ChunkSet:
    """What at least one of them has."""
    chunks = 0
    for holding in holders:
        chunks |= holding.have
    return chunks
