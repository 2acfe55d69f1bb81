"""What a node makes of the announcements it heard: what is held, what is coming, what is late.

The same as `peer.exchange.duties` makes of a swarm's state; but what a node announced is kept once, at that node, and
not by each of its followers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cachefs import bitset
from cachefs.sharing import ChunkSet
from peer.exchange.duties import OVERDUE


@dataclass(frozen=True, slots=True)
class Word:
    """A node's last announcement, as its followers know it."""

    have: ChunkSet = 0
    fetching_since: Mapping[int, float] | None = None
    """What it gets from the origin or from another zone, and since when that is known. None: nothing."""


@dataclass(frozen=True, slots=True)
class InHand:
    """What others are getting."""

    coming: ChunkSet = 0
    late: ChunkSet = 0
    overdue: ChunkSet = 0


def held(words: Iterable[Word]) -> ChunkSet:
    """What any of them has."""
    chunks = 0
    for word in words:
        chunks |= word.have
    return chunks


def in_hand(words: Iterable[Word], patience_seconds: float, now: float) -> InHand:
    """What they say they are getting, and what of it they announced too long ago."""
    since: dict[int, float] = {}
    for word in words:
        if word.fetching_since:
            for chunk, began in word.fetching_since.items():
                since[chunk] = min(began, since.get(chunk, began))
    late, overdue = lateness(since, patience_seconds, now)
    return InHand(bitset.of(since), late, overdue)


def lateness(since: Mapping[int, float], patience_seconds: float, now: float) -> tuple[ChunkSet, ChunkSet]:
    """Of chunks that are in a state since then: those for too long, and those for far too long."""
    late = [chunk for chunk, began in since.items() if now - began > patience_seconds]
    overdue = [chunk for chunk in late if now - since[chunk] > OVERDUE * patience_seconds]
    return (bitset.of(late), bitset.of(overdue)) if late else (0, 0)


class Untouched:
    """Chunks at the swarm's front that are another's duty and that nobody announced, and since when."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def look(self, chunks: ChunkSet, patience_seconds: float, now: float) -> tuple[ChunkSet, ChunkSet]:
        """These are such chunks now; which of them are late, and which are overdue."""
        since = self._since
        self._since = {chunk: since.get(chunk, now) for chunk in bitset.each(chunks)}
        return lateness(self._since, patience_seconds, now)
