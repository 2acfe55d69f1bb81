"""Origin duty: which node asks the origin for which chunk, so that each chunk leaves the origin once.

Every node bids for every chunk with a score that all can compute, and the highest owns it (rendezvous hashing, also
called highest random weight). Nobody has to agree on anything: nodes that know the same members name the same owners,
and a node that leaves moves only its own chunks, each to its second-ranked owner, who is the one that takes over when
the first is late, too.

`origin_now` is rules 5 and 7 of DESIGN section 9. Owners work in index order inside a window of what the swarm misses,
so that the swarm's front moves together and readers find what they want next. Only the second-ranked may step in, and
only when a chunk is late, or from the far end of the window in a small swarm when it waited for its busy owner: when
everybody may take what is left, several do, and origin bytes multiply.
"""

from __future__ import annotations

import hashlib
import operator
import struct
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cachefs import bitset
from cachefs.sharing import ChunkSet
from cachefs.types import BlobId
from peer.values import PeerId

SWARM_REQUESTS = 32
"""Requests to the origin that a small swarm has running, all nodes together: ``ceil(32 / N)`` each. Rule 5 says 64; in
the lab that filled the queue of an origin at its limit, so that the first chunks came late and some very late."""

WINDOW_CHUNKS = 128
"""Owners work on the first so many chunks that the swarm misses: twice what is under way, so few idle (rule 5)."""

SMALL_SWARM = 16
"""Up to so many nodes, a second-ranked owner with nothing to do helps from the far end of the window (rule 5)."""


@dataclass(frozen=True, slots=True)
class Duty:
    """One node's part in getting a blob from the origin."""

    first: ChunkSet
    """The chunks it fetches."""
    second: ChunkSet
    """The chunks it fetches when their first owner does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginView:
    """What one node knows when it decides what to ask the origin for."""

    missing: ChunkSet
    """Wanted here, and could be started now."""
    held: ChunkSet
    """Some usable peer visibly holds it."""
    fetching: ChunkSet
    """Some peer says that it gets it from the origin now, and is not late."""
    late: ChunkSet
    """Announced by a peer for too long, or left untouched by its owner."""
    duty: Duty
    urgent: ChunkSet
    """Readers wait for it: here, or where they asked us for it as its owner."""
    running: int
    """Requests of this node to the origin now, for whatever blob: a model has many, and the origin is one."""
    nodes: int
    """Nodes that want the blob, or may, with this one."""
    relief: bool
    """Whether the origin is the sooner source even for what peers hold (`peer.policy.relief`)."""
    swarm_missing: ChunkSet
    """What the swarm as a whole still misses, chunks under way included."""
    overdue: ChunkSet = 0
    """Late for so long that all who rank before this node failed as well: it is this one's turn."""
    waiting: ChunkSet = 0
    """Nobody held or fetched it a while ago either, longer than news takes to come round: its owner is busy."""


def duty(me: PeerId, nodes: Collection[PeerId], blob: BlobId, chunk_count: int) -> Duty:
    """The part of `me` among `nodes`, of which it is one. Their order does not matter.

    Some 0.2 ms for each other node and 4,000 chunks; use a `DutyTable` where the members of a large swarm change.
    """
    mine = scores(me, blob, chunk_count)
    return _duty((_beaten(me, mine, node, blob) for node in nodes if node != me), chunk_count)


class DutyTable:
    """The same as `duty` for one node and blob as members come and go: remembers what was computed for each node."""

    def __init__(self, me: PeerId, blob: BlobId, chunk_count: int) -> None:
        self._me = me
        self._blob = blob
        self._mine = scores(me, blob, chunk_count)
        self._beaten: dict[PeerId, ChunkSet] = {}

    def duty(self, nodes: Collection[PeerId]) -> Duty:
        """`duty` among `nodes`. Costs what came since the last call; what left is forgotten."""
        self._beaten = {node: self._beaten_by(node) for node in nodes if node != self._me}
        return _duty(self._beaten.values(), len(self._mine))

    def rank(self, chunk: int) -> int:
        """How many of the nodes of the last call come before this one for `chunk`: 0 for its first owner."""
        return sum(chunks >> chunk & 1 for chunks in self._beaten.values())

    def _beaten_by(self, node: PeerId) -> ChunkSet:
        known = self._beaten.get(node)
        return _beaten(self._me, self._mine, node, self._blob) if known is None else known


def scores(node: PeerId, blob: BlobId, chunk_count: int) -> tuple[int, ...]:
    """What `node` bids for each chunk of `blob`; the highest wins, and the greater node where two are equal.

    SHAKE-128 gives a stream of any length, so one call does for all chunks, and the same on every machine.
    """
    stream = hashlib.shake_128(f"{node}\0{blob}".encode("utf-8", "surrogateescape")).digest(4 * chunk_count)
    return struct.unpack(f"<{chunk_count}I", stream)


def _beaten(me: PeerId, mine: tuple[int, ...], node: PeerId, blob: BlobId) -> ChunkSet:
    """The chunks for which `node` ranks before `me`."""
    if not mine:
        return 0
    before = operator.ge if node > me else operator.gt
    theirs = scores(node, blob, len(mine))
    return bitset.where(bytes(map(before, theirs, mine)), 1)


def _duty(beaten: Iterable[ChunkSet], chunk_count: int) -> Duty:
    """First where nobody ranks before us, second where one does."""
    once = twice = 0
    for chunks in beaten:
        twice |= once & chunks
        once |= chunks
    return Duty(first=bitset.span(0, chunk_count) ^ once, second=once ^ twice)


def quota(nodes: int) -> int:
    """Requests to the origin that each of `nodes` may have running (rule 5)."""
    return max(1, -(-SWARM_REQUESTS // nodes))


def origin_now(view: OriginView) -> ChunkSet:
    """What this node may ask the origin for now: some of `view.missing`, at most as many as its quota leaves.

    A node that wants a blob alone keeps to its quota, too: what it has asked for is lost to those that join it.
    """
    free = quota(view.nodes) - view.running
    granted = 0
    for wanted in _by_importance(view):
        granted |= bitset.lowest(wanted & ~granted, free - granted.bit_count())
    return granted or _help(view)


def _by_importance(view: OriginView) -> Iterator[ChunkSet]:
    """Sets of chunks to ask for, the more important first; each from its low end."""
    open_ = view.missing & ~view.held & ~view.fetching
    yield open_ & view.urgent & (view.duty.first | view.late & view.duty.second | view.overdue)
    yield open_ & (view.late & view.duty.second | view.overdue)
    yield open_ & view.duty.first & bitset.lowest(view.swarm_missing, WINDOW_CHUNKS)
    if view.relief:
        held = view.missing & view.held & ~view.fetching
        yield held & view.urgent
        yield held & (view.duty.first | view.duty.second)  # Not what everybody else takes too, while there is any.
        yield held


def _help(view: OriginView) -> ChunkSet:
    """What a node with nothing of its own to do takes of others' work: one chunk, from the far end.

    Only one that waited: an owner with a request free begins at once, and both would fetch it. Each chunk taken risks
    that the owner begins it before it hears of that; one at a time keeps this to some percent in the last window.
    """
    if view.nodes > SMALL_SWARM or view.running:
        return 0
    window = bitset.lowest(view.swarm_missing, WINDOW_CHUNKS)
    open_ = view.missing & ~view.held & ~view.fetching
    return bitset.highest(open_ & view.waiting & view.duty.second & window, 1)
