"""What one swarm looks like to the pure functions that decide: assembled from its state, at one moment.

Kept per blob that this node wants. What costs more than a few set operations is remembered until the swarm changes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cachefs import bitset
from cachefs.sharing import ChunkSet
from peer.exchange.rates import Rates
from peer.policy.choice import Holding, union
from peer.policy.duty import WINDOW_CHUNKS, Duty, DutyTable, OriginView, origin_now, quota, scores
from peer.policy.hedging import ChunkTimes, late_after_seconds
from peer.policy.relief import SourceRates, relief
from peer.policy.zones import ZoneView, importers
from peer.swarm import Swarm
from peer.values import PeerId

FRONT_CHUNKS = 32
"""Owners work from the low end of what the swarm misses: its first chunks are under way, or wait for an owner that is
busy with others. One that stays untouched is late only when some owner is idle, or late with what it announced."""

FEWEST_SHARING = 3
"""Two that ask a holder for the same chunk cost it less than the one waits for the other."""

OVERDUE = 2.0
"""A chunk so many times beyond late was left by its second-ranked owner as well. The third-ranked node takes it then,
the fourth after one patience more, and so on: if all who miss it helped themselves at once, each would ask the origin
(in simulated swarms of 100 nodes that was most of what the origin sent twice)."""

NEWS_SECONDS = 0.3
"""Word of what a peer began comes round within this time: three announcements."""


@dataclass(frozen=True, slots=True)
class Around:
    """The peers, as far as decisions about one swarm need them."""

    me: PeerId
    usable: Mapping[PeerId, bool]
    """Peers that may be asked, now or within moments; whether each is of this node's zone."""
    zone_mates: frozenset[PeerId] | None
    """The peers of this node's zone, busy or not; None when there are no others."""
    idle_since: Mapping[PeerId, float] = field(default_factory=dict)
    """Peers that get nothing from the origin, for whatever blob, and since when."""


class Duties:
    """One node's part in one swarm."""

    def __init__(
        self,
        swarm: Swarm,
        me: PeerId,
        rates: Rates | None = None,
        *,
        quarantined: Callable[[PeerId], bool] = lambda _: False,
    ) -> None:
        """`quarantined`: whether what a peer has or gets is of no use now. Its part is shared by the others."""
        self.swarm = swarm
        self.rates = rates or Rates()
        self.takeovers = 0
        """Chunks asked of the origin in place of a late owner."""
        self.unheard = 0
        """Peers that have not said anything about this blob yet. They count where a node that takes itself for alone
        would ask for as much as a whole swarm does, of what they may well hold."""
        self._me = me
        self._quarantined = quarantined
        self._all = DutyTable(me, swarm.blob, swarm.chunk_count)
        self._near = DutyTable(me, swarm.blob, swarm.chunk_count)
        self._duty: tuple[frozenset[PeerId], Duty] | None = None
        self._near_duty: tuple[frozenset[PeerId], Duty] | None = None
        self._untouched: dict[int, float] = {}
        """Chunks at the swarm's front that are another's duty and that nobody announced, and since when."""
        self._late: ChunkSet = 0
        self._relief = False

    def room(self, running: int) -> bool:
        """Whether this node may have more requests at the origin than the `running` ones."""
        return running < quota(len(self._nodes()) + self.unheard)

    def origin(
        self, startable: ChunkSet, urgent: ChunkSet, running: int, around: Around, times: ChunkTimes, now: float
    ) -> ChunkSet:
        """Those of `startable` to ask the origin for now, when `running` requests of this node are there already."""
        if not self.room(running):
            return 0
        swarm, nodes = self.swarm, frozenset(self._nodes())
        held = self._held(around.usable)
        fetching, late, overdue = self._announced(held, self._duty_of(nodes), around.idle_since, times, now)
        self._relief = self._relieved(startable & held, now)
        view = OriginView(
            missing=startable,
            held=held,
            fetching=fetching & ~late,
            late=late,
            duty=self._duty_of(nodes),
            urgent=(urgent | swarm.urged) & startable,
            running=running,
            nodes=len(nodes) + self.unheard,
            relief=self._relief,
            swarm_missing=swarm.all & ~swarm.mine & ~held,
            overdue=overdue,
            waiting=bitset.of(chunk for chunk, since in self._untouched.items() if now - since > NEWS_SECONDS),
        )
        self._late = late
        return origin_now(view)

    def origin_started(self, chunks: range, now: float) -> None:
        """A request for `chunks` went to the origin."""
        self.swarm.fetching.update(dict.fromkeys(chunks, now))
        self.takeovers += (self._late & bitset.span(chunks.start, chunks.stop)).bit_count()

    def owner(self, chunk: int) -> PeerId:
        """Whose duty a chunk is."""
        return max(self._nodes(), key=lambda node: (scores(node, self.swarm.blob, self.swarm.chunk_count)[chunk], node))

    def holdings(self, around: Around) -> list[Holding]:
        """Who of the usable peers has what."""
        views = self.swarm.peers
        return [
            Holding(peer, views[peer].have, near)
            for peer, near in around.usable.items()
            if peer in views and views[peer].have
        ]

    def spared(self, holdings: Sequence[Holding]) -> tuple[list[Holding], ChunkSet]:
        """`holdings`, where nodes that want nothing give each chunk to its owner only, while some are theirs alone.

        Such a node is what the origin is to a cold start, and its uplink what all wait for. When each of seven joiners
        asks the one holder for what their readers are all at, it sends every chunk seven times; and as long as it has
        chunks that nobody else has, whatever others can give should come from them.

        Also what of that is this node's to get. Only then the others can have it, and the holder may be about to leave.
        """
        nodes = frozenset(self._nodes())
        wanters = self._held(nodes) | self.swarm.mine
        seeds = [holding for holding in holdings if holding.peer not in nodes]
        alone = union(seeds) & ~wanters
        if len(nodes) < FEWEST_SHARING or not alone:
            return list(holdings), 0
        mine = alone & self._duty_of(nodes).first
        wanted = [one for one in holdings if one.peer in nodes]
        return wanted + [Holding(seed.peer, seed.have & mine, seed.same_zone) for seed in seeds], mine

    def near_only(self, startable: ChunkSet, around: Around, times: ChunkTimes, now: float) -> ChunkSet:
        """Those of `startable` that must come from this zone or not yet: their importer brings them in."""
        near = around.zone_mates
        if near is None:
            return 0
        nodes = frozenset(node for node in self._nodes() if node == self._me or node in near)
        if self._near_duty is None or self._near_duty[0] != nodes:
            self._near_duty = (nodes, self._near.duty(nodes))
        held = self._held(near)
        coming, late, overdue = self._in_hand(near, self._near, late_after_seconds(times), now)
        view = ZoneView(
            missing=startable,
            held=held,
            coming=coming & ~late,
            late=late,
            duty=self._near_duty[1],
            overdue=overdue,
        )
        return startable & ~importers(view)

    # ---------------------------------------------------------------- parts

    def _nodes(self) -> list[PeerId]:
        """Among whom origin duty is shared: all that want the whole blob, and this node, which wants some of it."""
        return [self._me, *self._wanters()]

    def _wanters(self) -> list[PeerId]:
        return [peer for peer in self.swarm.wanters() if not self._quarantined(peer)]

    def _duty_of(self, nodes: frozenset[PeerId]) -> Duty:
        if self._duty is None or self._duty[0] != nodes:
            self._duty = (nodes, self._all.duty(nodes))
        return self._duty[1]

    def _held(self, peers: Iterable[PeerId]) -> ChunkSet:
        held = 0
        for peer in peers:
            if view := self.swarm.peers.get(peer):
                held |= view.have
        return held

    def _announced(
        self, held: ChunkSet, duty: Duty, idle_since: Mapping[PeerId, float], times: ChunkTimes, now: float
    ) -> tuple[ChunkSet, ChunkSet, ChunkSet]:
        """What peers get from the origin now; what of it, or of what they should get, is late; and overdue."""
        patience = late_after_seconds(times)
        useful = [peer for peer in self.swarm.peers if not self._quarantined(peer)]
        fetching, late, overdue = self._in_hand(useful, self._all, patience, now)
        swarm_missing = self.swarm.all & ~self.swarm.mine & ~held
        untouched = bitset.lowest(swarm_missing, WINDOW_CHUNKS) & ~fetching & ~duty.first & ~self.swarm.fetching_bits
        since = self._untouched
        self._untouched = {chunk: since.get(chunk, now) for chunk in bitset.each(untouched)}
        if late or self._somebody_idle(idle_since, now - patience):
            front = bitset.lowest(swarm_missing, FRONT_CHUNKS)
            left = {chunk: began for chunk, began in self._untouched.items() if front >> chunk & 1}
            left_late, left_overdue = _overrun(left, self._all, patience, now)
            late, overdue = late | left_late, overdue | left_overdue
        return fetching, late, overdue

    def _somebody_idle(self, idle_since: Mapping[PeerId, float], moment: float) -> bool:
        """Whether a node that shares in origin duty has got nothing from the origin since `moment`."""
        return any(idle_since.get(peer, moment) < moment for peer in self._wanters())

    def _in_hand(
        self, peers: Iterable[PeerId], table: DutyTable, patience: float, now: float
    ) -> tuple[ChunkSet, ChunkSet, ChunkSet]:
        """What these peers say they are getting; what of it is late; and overdue."""
        coming = late = overdue = 0
        for peer in peers:
            if (view := self.swarm.peers.get(peer)) is None or not view.fetching:
                continue
            its_late, its_overdue = _overrun(view.fetching_since, table, patience, now)
            coming, late, overdue = coming | view.fetching, late | its_late, overdue | its_overdue
        return coming, late, overdue

    def _relieved(self, held: ChunkSet, now: float) -> bool:
        chunk_bytes = self.swarm.key.chunk_bytes if self.swarm.key else 0
        waited_seconds = self.rates.note_backlog(bool(held), now)
        rates = SourceRates(
            self.rates.peers.bytes_per_second(now),
            self.rates.origin.bytes_per_second(now),
            held.bit_count() * chunk_bytes,
            waited_seconds,
        )
        return relief(rates, on=self._relief)


def _overrun(since: Mapping[int, float], table: DutyTable, patience: float, now: float) -> tuple[ChunkSet, ChunkSet]:
    """Those of the chunks in somebody's hands `since` these moments that are late; and those that are overdue here."""
    late = overdue = 0
    for chunk, began in since.items():
        waited = now - began
        if waited > patience:
            late |= 1 << chunk
            overdue |= (waited > OVERDUE * patience and waited > table.rank(chunk) * patience) << chunk
    return late, overdue
