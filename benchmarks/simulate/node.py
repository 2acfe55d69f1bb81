"""One simulated node: what it holds and misses, what it knows of others, whom it asks.

It stands where the daemon's exchange stands with its fetcher: on each change it asks the policy what to request of
which peer, and what to ask the origin for, and does that. All that it knows of others is their last announcement.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.simulate.knowledge import Word, held, in_hand
from benchmarks.simulate.origin_sight import OriginSight
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.transfers import Transfer, Transfers
from benchmarks.simulate.uplink import Uplink
from cachefs import bitset
from cachefs.fetch.shared import MOST_HEDGES
from cachefs.sharing import ChunkSet
from peer.exchange.exchange import LOOK_SECONDS
from peer.policy.choice import Holding, Wish, choose
from peer.policy.duty import Duty
from peer.policy.health import PeerHealth
from peer.policy.hedging import hedge_after_seconds, late_after_seconds
from peer.policy.zones import ZoneView, importers
from peer.values import Identity, PeerId


@dataclass(frozen=True, slots=True)
class Links:
    """Numbers of the links of one node in the network."""

    up: int
    down: int
    client: int
    """What the origin gives one client."""
    border: int
    """Into its zone."""


class SimNode:
    """A node of the swarm, which wires it to the others and tells it when to begin."""

    def __init__(self, around: Surroundings, identity: Identity, links: Links, seed: int) -> None:
        self.identity = identity
        self.peer_id = identity.peer_id
        self.links = links
        self.alive = True
        self.started_at: float | None = None
        self.finished_at: float | None = None
        self.missing: ChunkSet = 0
        self.uplink = Uplink(around, links.up)
        self.origin = OriginSight(around.chunk_bytes)
        self.zone_duty = Duty(first=0, second=0)
        self.word: Word | None = None
        """None before the first announcement."""
        self.told = self._holdings(0)
        self.followers: dict[SimNode, None] = {}
        """In the order they came, so that runs are repeatable."""
        self.origin_bytes = 0
        self.duplicate_bytes = 0
        self.landed_chunks = 0
        self._around = around
        self._rng = random.Random(seed)
        self._peers: dict[PeerId, SimNode] = {}
        self._near: list[SimNode] = []
        self._far: list[SimNode] = []
        self._usable: set[PeerId] = set()
        self._health: dict[PeerId, PeerHealth] = {}
        self._transfers = Transfers()
        self._settled = False
        self._announce_planned = False
        self._announced_at = float("-inf")
        self._wake_planned = False

    def _holdings(self, have: ChunkSet) -> tuple[Holding, Holding]:
        """What others know it has, as those of other zones and those of its own see it."""
        return Holding(self.peer_id, have, same_zone=False), Holding(self.peer_id, have, same_zone=True)

    # ------------------------------------------------------------------ life

    def begin(self, missing: ChunkSet) -> None:
        """Want these chunks from now on; none when the node is warm."""
        self.started_at = self._around.now
        self.missing = missing
        if not missing:
            self.finished_at = self.started_at
        self._tell()
        self._look()

    def die(self) -> None:
        """Stop at once: what it was sending breaks off, what it was receiving is of no use."""
        self.alive = False
        self.uplink.close()
        for transfer in self._transfers.running():
            if transfer.source:
                transfer.source.uplink.call_off(transfer)
            elif transfer.flow is not None:
                self._around.network.cancel(transfer.flow)

    @property
    def followed(self) -> list[SimNode]:
        """Whose word it hears."""
        return [*self._near, *self._far]

    def follow(self, peers: Sequence[SimNode]) -> None:
        """Hear from now on what these have, and ask only them."""
        known = set(self.followed)
        for peer in known.difference(peers):
            peer.followers.pop(self, None)
        for peer in peers:
            peer.followers[self] = None
        self._around.ledger.followed(len(set(peers) - known))
        self._peers = {peer.peer_id: peer for peer in peers}
        self._near = [peer for peer in peers if peer.identity.zone == self.identity.zone]
        self._far = [peer for peer in peers if peer.identity.zone != self.identity.zone]
        now = self._around.now
        self._usable = {peer for peer in self._peers if self._health_of(peer).usable(now)}

    # ------------------------------------------------------- what others see

    def _tell(self) -> None:
        """Announce what is new, not more often than the interval."""
        if not self._announce_planned:
            self._announce_planned = True
            wait = self._announced_at + self._around.times.announce - self._around.now
            self._around.later(max(0.0, wait), self._announce)

    def _announce(self) -> None:
        self._announce_planned = False
        self._announced_at = self._around.now
        if self.alive:
            have = self._around.all_chunks & ~self.missing
            fetching = self._transfers.announced
            news = (have & ~self.told[0].have).bit_count()
            self._around.ledger.announced(news, fetching.bit_count(), len(self.followers))
            self._around.later(self._around.peer_way, self._heard, have, fetching)

    def _heard(self, have: ChunkSet, fetching: ChunkSet) -> None:
        """All followers get the word at the same time."""
        before = (self.word and self.word.fetching_since) or {}
        now = self._around.now
        since = {chunk: before.get(chunk, now) for chunk in bitset.each(fetching)} if fetching else None
        self.word = Word(have, since)
        self.told = self._holdings(have)
        for follower in self.followers:
            if follower.hungry:
                follower.wake_soon()

    # --------------------------------------------------------------- deciding

    @property
    def hungry(self) -> bool:
        """Whether news of others may start something here."""
        return bool(self.missing) and self._transfers.slots_taken < self._around.limits.downloads

    def wake_soon(self) -> None:
        """Decide again, together with what else changes within the smallest step."""
        if not self._wake_planned:
            self._wake_planned = True
            self._around.later(self._around.step_seconds, self._woken)

    def _woken(self) -> None:
        self._wake_planned = False
        self._decide()

    def _look(self) -> None:
        """Time alone makes things late."""
        if self.missing and self.alive:
            self._decide()
            self._around.later(LOOK_SECONDS, self._look)

    def _decide(self) -> None:
        """Start what can be started now."""
        if self.missing and self.alive:
            self._ask_peers()
            self._ask_origin()

    def _ask_peers(self) -> None:
        slots = self._around.limits.downloads
        if self._transfers.slots_taken < slots:
            free = slots - self._transfers.slots_taken
            for choice in choose(self._wishes(), self._transfers.asked, free, self._usable, self._rng, slots=slots):
                self._request(choice.chunk, self._peers[choice.peer])
        if self._transfers.slots_taken < slots:
            self._hedge(slots - self._transfers.slots_taken)

    def _wishes(self) -> list[Wish]:
        startable = self.missing & ~self._transfers.under_way
        if not startable:
            return []
        near = [peer.told[True] for peer in self._near]
        wishes = [Wish(self._around.blob, startable, ordered=False, holdings=near)]
        if self._far:
            far = [peer.told[False] for peer in self._far]
            wishes.append(Wish(self._around.blob, self._importable(startable), ordered=False, holdings=far))
        return wishes

    def _importable(self, startable: ChunkSet) -> ChunkSet:
        """What this node is to get for its zone from other zones."""
        words = [peer.word for peer in self._near if peer.word]
        hand = in_hand(words, late_after_seconds(self._transfers.peer_times), self._around.now)
        return importers(
            ZoneView(
                missing=startable,
                held=held(words),
                coming=hand.coming & ~hand.late,
                late=hand.late,
                duty=self.zone_duty,
                overdue=hand.overdue,
            )
        )

    def _hedge(self, free: int) -> None:
        """Ask a second peer for what is late."""
        late = self._transfers.late(self._around.now - hedge_after_seconds(self._transfers.peer_times))
        for transfer in late[: min(free, MOST_HEDGES - len(self._transfers.hedges))]:
            others = [peer.told[True] for peer in self.followed if peer is not transfer.source]
            wish = Wish(self._around.blob, 1 << transfer.chunk, ordered=True, holdings=others)
            slots = self._around.limits.downloads
            for choice in choose([wish], self._transfers.asked, 1, self._usable, self._rng, slots=slots):
                self._request(choice.chunk, self._peers[choice.peer], hedge=True)

    def _ask_origin(self) -> None:
        if self._around.origin_link is None or not self._has_settled():
            return
        words = [peer.word for peer in self.followed if peer.word]
        for chunk in bitset.each(self.origin.ask(self.missing, self._transfers, words, self._around.now)):
            self._request_origin(chunk, self._around.origin_link)

    def _has_settled(self) -> bool:
        """Whether all peers said what they have, or had the time to."""
        if not self._settled:
            assert self.started_at is not None
            spoke = bool(self._peers) and all(peer.word for peer in self.followed)
            self._settled = spoke or self._around.now >= self.started_at + self._around.times.settle
        return self._settled

    # ------------------------------------------------------------- receiving

    def _request(self, chunk: int, peer: SimNode, *, hedge: bool = False) -> None:
        across = peer.identity.zone != self.identity.zone
        transfer = Transfer(self, peer, chunk, self._around.now, crosses_border=across)
        self._transfers.started(transfer, hedge=hedge)
        if across:
            self._tell()
        self._around.later(self._around.peer_way + self._around.latencies.request, peer.uplink.serve, transfer)

    def _request_origin(self, chunk: int, origin_link: int) -> None:
        transfer = Transfer(self, None, chunk, self._around.now)
        self._transfers.started(transfer)
        self._tell()
        latencies = self._around.latencies
        wait = latencies.origin_round_trip + latencies.request
        self._around.later(wait, self._origin_answers, transfer, [origin_link, self.links.client, self.links.down])

    def _origin_answers(self, transfer: Transfer, links: Sequence[int]) -> None:
        if self.alive:
            transfer.flow = self._around.network.begin(links, self._around.chunk_bytes, self._origin_sent, transfer)

    def _origin_sent(self, transfer: Transfer) -> None:
        transfer.flow = None
        self.origin_bytes += self._around.chunk_bytes
        self.landed(transfer)

    def landed(self, transfer: Transfer) -> None:
        """All of a chunk is here."""
        if not self.alive:
            return
        self.landed_chunks += 1
        if transfer.source and transfer.source.peer_id in self._health:
            self._health[transfer.source.peer_id] = self._health_of(transfer.source.peer_id).landed()
        self._transfers.ended(transfer, self._around.chunk_bytes, self._around.now)
        if self.missing >> transfer.chunk & 1:
            self.missing &= ~(1 << transfer.chunk)
            self._tell()
            self._call_off(transfer.chunk)
        else:
            self.duplicate_bytes += self._around.chunk_bytes
        if not self.missing and self.finished_at is None:
            self.finished_at = self._around.now
            self._around.finished()
        self._decide()

    def _call_off(self, chunk: int) -> None:
        """A second source was sooner with the chunk; a second one that is too late runs on, as in the fetcher."""
        transfer = self._transfers.from_peers.get(chunk)
        if transfer and transfer.flow is not None and transfer.source:
            transfer.source.uplink.call_off(transfer)
            self.duplicate_bytes += self._around.chunk_bytes // 2  # on average
            self._transfers.ended(transfer, 0, self._around.now)

    # --------------------------------------------------------------- trouble

    def turned_away(self, transfer: Transfer) -> None:
        """The peer has no slot free."""
        assert transfer.source
        health = self._health_of(transfer.source.peer_id)
        self._without(transfer, health.answered_busy(self._around.now, self._rng.random()))

    def failed(self, transfer: Transfer) -> None:
        """The connection to the peer broke, or was refused."""
        assert transfer.source
        health = self._health_of(transfer.source.peer_id)
        self._without(transfer, health.failed(self._around.now, self._rng.random()))

    def _without(self, transfer: Transfer, health: PeerHealth) -> None:
        """Ask others for the chunk, and leave its peer alone for a while."""
        assert transfer.source
        peer = transfer.source.peer_id
        self._health[peer] = health
        self._usable.discard(peer)
        self._around.later(health.usable_at - self._around.now + 1e-6, self._again, peer)
        self._transfers.ended(transfer, 0, self._around.now)
        self.wake_soon()

    def _again(self, peer: PeerId) -> None:
        """A peer may be asked again, unless something else happened with it."""
        if peer in self._peers and self._health_of(peer).usable(self._around.now):
            self._usable.add(peer)
            self.wake_soon()

    def _health_of(self, peer: PeerId) -> PeerHealth:
        return self._health.get(peer) or PeerHealth()
