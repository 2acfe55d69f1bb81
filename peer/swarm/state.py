"""One swarm: the chunks of one blob, here and at every peer that said something about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from cachefs import bitset
from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId, BlobKey
from peer.values import HaveUpdate, PeerId


@dataclass(slots=True)
class PeerView:
    """One peer's part in a swarm, as far as it told us."""

    have: ChunkSet = 0
    fetching: ChunkSet = 0
    """What it gets from the origin now."""
    fetching_since: dict[int, float] = field(default_factory=dict)
    want: Want = Want.NONE
    told: bool = False
    """Whether it has said anything yet."""


class Swarm:
    """The chunks of one blob."""

    def __init__(self, blob: BlobId, chunk_count: int, mine: ChunkSet) -> None:
        self.blob = blob
        self.chunk_count = chunk_count
        self.all: ChunkSet = bitset.span(0, chunk_count)
        self.mine = mine
        """What is here and verified."""
        self.key: BlobKey | None = None
        """Known once this node wanted the blob."""
        self.want = Want.NONE
        """What this node wants of it."""
        self.log: list[int] = []
        """The chunks that landed here, in order. Followers remember how far they were told."""
        self.fetching: dict[int, float] = {}
        """What this node gets from the origin now, and since when."""
        self.importing: dict[int, float] = {}
        """What this node gets from another zone now, and since when: its own zone waits for it."""
        self.incoming: set[int] = set()
        """What this node gets from peers now."""
        self.urged: ChunkSet = 0
        """What readers of other nodes wait for, and asked this one to fetch."""
        self.peers: dict[PeerId, PeerView] = {}

    @property
    def complete(self) -> bool:
        """Whether everything is here."""
        return self.mine == self.all

    @property
    def fetching_bits(self) -> ChunkSet:
        """What this node gets from the origin or from another zone now."""
        return bitset.of(self.fetching) | bitset.of(self.importing)

    def landed(self, chunk: int) -> bool:
        """`chunk` is here. False when that was known."""
        if self.mine >> chunk & 1:
            return False
        self.mine |= 1 << chunk
        self.urged &= ~(1 << chunk)
        self.log.append(chunk)
        return True

    def reset(self, mine: ChunkSet) -> None:
        """Something that was here is not any more."""
        self.mine = mine
        self.log.clear()

    def view(self, peer: PeerId) -> PeerView:
        """What is known of a peer."""
        return self.peers.setdefault(peer, PeerView())

    def told(self, peer: PeerId, update: HaveUpdate, now: float) -> None:
        """A peer said something. What does not fit this blob's number of chunks is not about this blob."""
        view = self.view(peer)
        view.told = True
        if update.chunk_count not in (0, self.chunk_count):
            return
        view.have = update.have if update.whole else view.have | update.have
        view.want = update.want
        view.fetching = update.fetching
        since = view.fetching_since
        view.fetching_since = {chunk: since.get(chunk, now) for chunk in bitset.each(update.fetching)}

    def wanted_by(self, peer: PeerId, want: Want) -> None:
        """A peer that follows us said how much it wants."""
        self.view(peer).want = want

    def lacks(self, peer: PeerId, chunk: int) -> None:
        """A peer does not have what it said it had."""
        self.view(peer).have &= ~(1 << chunk)

    def left(self, peer: PeerId) -> None:
        """A peer is gone."""
        self.peers.pop(peer, None)

    def wanters(self) -> list[PeerId]:
        """The peers that want all of the blob and do not have it: origin duty is shared among them, and this node."""
        return [peer for peer, view in self.peers.items() if view.want is Want.ALL and view.have != self.all]
