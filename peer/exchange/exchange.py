"""Answers the fetcher: what to ask of which peer, and what of the origin. Implements `cachefs.sharing.Exchange`.

Everything happens on the loop, except `landed`. State is in `peer.swarm`, decisions in `peer.policy`.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter

from cachefs.errors import PeerCorrupt, PeerLacks, PeerUnavailable
from cachefs.sharing import Ask, ChunkSet, Lender, PeerChunk, Want
from cachefs.types import BlobId, BlobKey, Priority
from peer.exchange.duties import Around, Duties
from peer.exchange.interest import Interest
from peer.exchange.neighbour import Neighbour, is_its_fault
from peer.exchange.neighbours import Neighbours
from peer.exchange.rates import Meter, Rates
from peer.exchange.requests import Requests
from peer.exchange.stock import stock
from peer.exchange.transport import Opener, RemoteChunk
from peer.policy.choice import Choice, Holding, Wish, choose, union
from peer.policy.hedging import ChunkTimes, hedge_after_seconds
from peer.settings import PeerLimits, PeerTimes
from peer.swarm import Board, Swarm
from peer.values import PeerId

log = logging.getLogger(__name__)

RACE_SLOTS = 2
"""Beyond the limit, for late chunks only: peers that hang must not keep all slots until their chunks' deadline."""

LOOK_SECONDS = 0.25
"""While something is wanted, lateness is looked at so often."""


class PeerExchange:
    """One node's dealings with its peers about chunks."""

    def __init__(
        self,
        me: PeerId,
        lender: Lender,
        board: Board,
        neighbours: Neighbours,
        interest: Interest,
        opener: Opener,
        *,
        limits: PeerLimits,
        times: PeerTimes,
        rng: random.Random,
        suspect: Callable[[PeerId], None],
    ) -> None:
        self._me = me
        self._lender = lender
        self._board = board
        self._neighbours = neighbours
        self._interest = interest
        self._opener = opener
        self._limits = limits
        self._times = times
        self._rng = rng
        self._suspect = suspect
        self._loop = asyncio.get_running_loop()
        self._wake: Callable[[], None] = lambda: None
        self._wants: Mapping[BlobKey, Want] = {}
        self._duties: dict[BlobId, Duties] = {}
        self._landed: deque[tuple[BlobId, int]] = deque()
        self._landing = False
        self._chunk_times = ChunkTimes()
        self._origin_times = ChunkTimes()
        self._from_peers, self._from_origin = Meter(), Meter()
        self._granted = 0
        """Chunks given out by `origin` since the last `demand`, perhaps not asked for yet: one quota for all blobs."""
        self._past_takeovers = 0
        self.requests = Requests()

    # ----------------------------------------------------- the fetcher's side

    def attach(self, wake: Callable[[], None]) -> None:
        """See `Exchange.attach`."""
        self._wake = wake

    def wake(self) -> None:
        """Something changed at the peers."""
        self._wake()

    def told(self) -> None:
        """Peers said what they have. With every slot taken nothing can be asked for before one is free, and that wakes.

        Dozens of peers that say something ten times a second each would otherwise keep the fetcher busy with looking.
        """
        if len(self.requests) < self._limits.downloads:
            self._wake()

    @property
    def takeovers(self) -> int:
        """Chunks asked of the origin in place of a late owner."""
        return self._past_takeovers + sum(duties.takeovers for duties in self._duties.values())

    def demand(self, wants: Mapping[BlobKey, Want]) -> None:
        """See `Exchange.demand`."""
        self._granted = 0
        if wants == self._wants:
            return
        before, self._wants = self._wants, dict(wants)
        for key in before.keys() - wants.keys():
            self._past_takeovers += self._duties.pop(key.blob_id).takeovers
            self._interest.end(key.blob_id)
            self._board.unwant(key.blob_id)
        for key, want in wants.items():
            if before.get(key) is not want:
                self._want(key, want)

    def assign(self, asks: Sequence[Ask], most: int, now: float) -> list[PeerChunk]:
        """See `Exchange.assign`."""
        free = min(most, self._limits.downloads - len(self.requests))
        around = self._around(self._neighbours.usable(now), now)
        if free <= 0 or not around.usable:
            return []
        choices = self._choices(asks, free, around, now, spare=True)
        if not choices and not self.requests:
            choices = self._choices(asks, 1, around, now, spare=False)  # owners are slow or gone
        return [self._request(choice.blob, choice.chunk, choice.peer, now) for choice in choices]

    def _choices(self, asks: Sequence[Ask], free: int, around: Around, now: float, *, spare: bool) -> list[Choice]:
        """`spare`: what nodes give that want nothing themselves is left to its owners."""
        sources = {blob: self._sources(blob, around, now, spare=spare) for blob in {ask.blob for ask in asks}}
        wishes = _wishes(asks, sources)
        return choose(wishes, self.requests.by_peer(), free, around.usable, self._rng, slots=self._limits.downloads)

    def late(self, most: int, now: float) -> list[PeerChunk]:
        """See `Exchange.late`."""
        found: list[PeerChunk] = []
        most = min(most, self._limits.downloads + RACE_SLOTS - len(self.requests))
        if most <= 0:
            return found
        for request in self.requests.older_than(now - hedge_after_seconds(self._chunk_times)):
            if len(found) < most and (other := self._other_holder(request, now)):
                request.raced = True
                racer = self._request(request.blob, request.chunk, other, now)
                racer.raced = True
                self.requests.hedges += 1
                found.append(racer)
        return found

    def ended(self, chunk: PeerChunk, error: Exception | None, nbytes: int, seconds: float) -> None:
        """See `Exchange.ended`."""
        assert isinstance(chunk, RemoteChunk)
        now = self._loop.time()
        neighbour = chunk.neighbour
        self.requests.ended(chunk, nbytes if error is None else 0)
        self._from_peers.ended(nbytes, now)
        if error is None:
            neighbour.landed(nbytes, seconds)
            self._chunk_times = self._chunk_times.observe(seconds)
        elif is_its_fault(error):
            self._blame(chunk, neighbour, error, now)
        if swarm := self._board.get(chunk.blob):
            self._arrived(swarm, chunk)

    def origin(self, blob: BlobId, startable: ChunkSet, urgent: ChunkSet, now: float) -> ChunkSet:
        """See `Exchange.origin`."""
        duties = self._duties.get(blob)
        if duties is None or not len(self._neighbours):
            return startable
        if not self._interest.settled(blob, now):
            return 0
        running = self._granted + sum(len(one.swarm.fetching) for one in self._duties.values())
        duties.unheard = self._interest.unheard(blob)
        if not urgent and not duties.room(running):
            return 0  # the usual case, and this is asked whenever anything changes
        trusted = self._neighbours.trusted(now)
        around = Around(self._me, trusted, self._neighbours.zone_mates(now), self._neighbours.idle_since())
        granted = duties.origin(startable, urgent, running, around, self._origin_times, now)
        self._granted += granted.bit_count()
        if unserved := urgent & ~granted:
            self._interest.urge(duties, unserved, around, now)
        return granted

    def origin_started(self, blob: BlobId, chunks: range) -> None:
        """See `Exchange.origin_started`."""
        now = self._loop.time()
        self._from_origin.started(now)
        if duties := self._duties.get(blob):
            duties.origin_started(chunks, now)
            self._board.tell(blob)

    def origin_ended(self, blob: BlobId, chunks: range, landed: range, seconds: float) -> None:
        """See `Exchange.origin_ended`."""
        if landed:
            self._origin_times = self._origin_times.observe(seconds)
        nbytes = 0
        if swarm := self._board.get(blob):  # it may be wanted no more, and followed still
            for chunk in chunks:
                swarm.fetching.pop(chunk, None)
            nbytes = sum(len(swarm.key.chunk_range(chunk)) for chunk in landed) if swarm.key else 0
            self._board.tell(blob)
        self._from_origin.ended(nbytes, self._loop.time())

    def landed(self, blob: BlobId, chunk: int) -> None:
        """See `Exchange.landed`. On any thread. Chunks that come while the loop is busy wake it once."""
        self._landed.append((blob, chunk))
        if self._landing:
            return
        self._landing = True
        try:
            self._loop.call_soon_threadsafe(self._note_landed)
        except RuntimeError:  # the loop is closed: nobody follows us any more
            return

    def lost(self, blob: BlobId) -> None:
        """See `Exchange.lost`."""
        self._note_landed()
        self._board.reset(blob, self._have(blob))

    def next_change(self, now: float) -> float | None:
        """See `Exchange.next_change`."""
        if not self._wants:
            return None
        moments = [neighbour.health.usable_at for neighbour in self._neighbours]
        moments += self._interest.settle_moments()
        return min([now + LOOK_SECONDS, *(moment for moment in moments if moment > now)])

    # -------------------------------------------------------- the peers' side

    def left(self, gone: Iterable[Neighbour]) -> None:
        """Peers are gone: what was asked of them fails at once."""
        for neighbour in gone:
            for request in self.requests.of(neighbour.peer_id):
                request.cancel()

    # ------------------------------------------------------------------ parts

    def _want(self, key: BlobKey, want: Want) -> None:
        swarm = self._board.want(key, want, self._have(key.blob_id))
        if key.blob_id not in self._duties:
            rates = Rates(self._from_peers, self._from_origin)
            self._duties[key.blob_id] = Duties(swarm, self._me, rates, quarantined=self._quarantined)
        self._interest.begin(swarm, want)

    def _quarantined(self, peer: PeerId) -> bool:
        return self._neighbours.quarantined(peer, self._loop.time())

    def _have(self, blob: BlobId) -> ChunkSet:
        """Quick: the blob is open, since it is wanted; or it is not in the store at all."""
        return stock(self._lender, blob)[1]

    def _sources(self, blob: BlobId, around: Around, now: float, *, spare: bool) -> tuple[list[Holding], ChunkSet]:
        """What each peer may be asked for of a blob, and what of that this node gets for others, too.

        The same for everybody here who wants some of it.
        """
        duties = self._duties.get(blob)
        if duties is None or not (holdings := duties.holdings(around)):
            return [], 0
        imports = 0
        if spare:
            holdings, imports = duties.spared(holdings)
        if around.zone_mates is not None:
            kept = duties.near_only(duties.swarm.all, around, self._chunk_times, now)
            near = [one for one in holdings if one.same_zone]
            far = [Holding(one.peer, one.have & ~kept, same_zone=False) for one in holdings if not one.same_zone]
            holdings, imports = near + far, imports | union(far) & ~union(near)
        return holdings, imports

    def _request(self, blob: BlobId, chunk: int, peer: PeerId, now: float) -> RemoteChunk:
        neighbour = self._neighbours.get(peer)
        duties = self._duties[blob]
        assert neighbour
        assert duties.swarm.key
        request = RemoteChunk(self._opener, neighbour, duties.swarm.key, chunk, now)
        self.requests.started(request)
        self._from_peers.started(now)
        duties.swarm.incoming.add(chunk)
        if not neighbour.same_zone:  # the others of this zone wait for it as for one from the origin
            duties.swarm.importing.setdefault(chunk, now)
            self._board.tell(blob)
        return request

    def _other_holder(self, request: RemoteChunk, now: float) -> PeerId | None:
        duties = self._duties.get(request.blob)
        if duties is None or request.raced:
            return None
        usable = {peer: near for peer, near in self._neighbours.usable(now).items() if peer != request.peer_id}
        holdings = duties.holdings(self._around(usable, now))
        wish = Wish(request.blob, 1 << request.chunk, ordered=True, holdings=holdings)
        choices = choose([wish], self.requests.by_peer(), 1, usable, self._rng, slots=self._limits.downloads)
        return choices[0].peer if choices else None

    def _blame(self, chunk: RemoteChunk, neighbour: Neighbour, error: Exception, now: float) -> None:
        was_quarantined = neighbour.health.quarantined(now)
        neighbour.failed(error, now, self._rng.random(), self._times.quarantine)
        if isinstance(error, PeerLacks) and (swarm := self._board.get(chunk.blob)):
            swarm.lacks(neighbour.peer_id, chunk.chunk)
        if isinstance(error, PeerUnavailable):
            self._suspect(neighbour.peer_id)
        if isinstance(error, PeerCorrupt) and not was_quarantined:
            seconds = neighbour.health.usable_at - now
            log.warning(
                "peer quarantined for %.0f s peer=%s address=%s code=%s: %s (%s)",
                seconds,
                neighbour.identity.node_id,
                neighbour.identity.address,
                error.code,
                error,
                error.hint,
            )

    def _arrived(self, swarm: Swarm, chunk: RemoteChunk) -> None:
        """Nobody is asked for it any more."""
        if not self.requests.running(chunk.blob, chunk.chunk):
            swarm.incoming.discard(chunk.chunk)
            if swarm.importing.pop(chunk.chunk, None) is not None:
                self._board.tell(chunk.blob)
            self._board.drop_if_idle(chunk.blob)

    def _note_landed(self) -> None:
        self._landing = False  # first: what is appended from here on is either seen below, or wakes the loop again
        while self._landed:
            self._board.landed(*self._landed.popleft())

    def _around(self, usable: Mapping[PeerId, bool], now: float) -> Around:
        return Around(self._me, usable, self._neighbours.zone_mates(now))


def _wishes(asks: Sequence[Ask], sources: Mapping[BlobId, tuple[list[Holding], ChunkSet]]) -> list[Wish]:
    """What is wanted next in order, what this node gets for others, too, and what serves only itself.

    In this order for all files of one priority: else what others wait for would come after all files before it.
    """
    ranked: list[tuple[Priority, int, Wish]] = []
    for ask in asks:
        held, imports = sources[ask.blob]
        wish = Wish(ask.blob, ask.chunks, ask.ordered, held)
        if not ask.ordered:
            ranked.append((ask.priority, 1, replace(wish, chunks=ask.chunks & imports)))
        ranked.append((ask.priority, 0 if ask.ordered else 2, wish))
    ranked.sort(key=itemgetter(0, 1))
    return [wish for _, _, wish in ranked if wish.chunks and wish.holdings]
