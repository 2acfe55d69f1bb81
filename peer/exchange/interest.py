"""What this node wants to hear about, and of whom: follows peers for each blob it wants, and asks owners to hurry.

A node that begins to want a blob first hears what its peers say about it, for at most `PeerTimes.settle`: until then it
asks the origin for nothing, or nodes that start at the same moment would all ask for the same chunks. On the loop.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cachefs import bitset
from cachefs.errors import PeerError
from cachefs.sharing import ChunkSet, Lender, Want
from cachefs.types import BlobId
from peer.exchange.duties import Around, Duties
from peer.exchange.links import Links
from peer.exchange.neighbour import Neighbour
from peer.exchange.neighbours import Neighbours
from peer.membership.directory import Directory
from peer.policy.following import choose_followed
from peer.settings import PeerLimits, PeerTimes
from peer.swarm import Board, Swarm
from peer.tasks import Tasks
from peer.values import PeerId

log = logging.getLogger(__name__)

URGE_AGAIN_SECONDS = 1.0
"""An owner that was asked to hurry is asked again after this time: it may have become the owner only meanwhile."""


@dataclass(slots=True)
class _Settling:
    """A blob that this node just began to want."""

    until: float
    awaited: set[PeerId] | None = None
    """Peers that have not said anything yet; None while it is not known whom to ask."""


@dataclass(slots=True)
class _Wanted:
    want: Want
    settling: _Settling
    urged: dict[int, float] = field(default_factory=dict)


class Interest:
    """`zone` is this node's. `run` keeps the directory up to date where there is one."""

    def __init__(
        self,
        zone: str,
        board: Board,
        neighbours: Neighbours,
        links: Links,
        directory: Directory,
        lender: Lender,
        *,
        limits: PeerLimits,
        times: PeerTimes,
        rng: random.Random,
    ) -> None:
        self._zone = zone
        self._board = board
        self._neighbours = neighbours
        self._links = links
        self._directory = directory
        self._lender = lender
        self._limits = limits
        self._times = times
        self._rng = rng
        self._loop = asyncio.get_running_loop()
        self._wanted: dict[BlobId, _Wanted] = {}
        self._tasks = Tasks()

    def begin(self, swarm: Swarm, want: Want) -> None:
        """This node wants a blob, or another part of it than before."""
        wanted = self._wanted.get(swarm.blob)
        if wanted is None:
            settling = _Settling(self._loop.time() + self._times.settle)
            wanted = self._wanted[swarm.blob] = _Wanted(want, settling)
        wanted.want = want
        self._look_around(swarm.blob)

    def end(self, blob: BlobId) -> None:
        """Not any more."""
        del self._wanted[blob]
        for peer in self._links.following(blob):
            if neighbour := self._neighbours.get(peer):
                self._links.unfollow(neighbour, blob)
                neighbour.at_origin.discard(blob)

    def settled(self, blob: BlobId, now: float) -> bool:
        """Whether all who were asked have said what they have, or had the time to."""
        settling = self._wanted[blob].settling
        return settling.awaited == set() or now >= settling.until

    def unheard(self, blob: BlobId) -> int:
        """How many peers may want it, or hold it, and have not said so yet."""
        awaited = self._wanted[blob].settling.awaited
        return len(self._neighbours if awaited is None else awaited)

    def settle_moments(self) -> list[float]:
        """When blobs count as settled, whoever has said nothing."""
        return [wanted.settling.until for wanted in self._wanted.values()]

    def heard(self, peer: PeerId, blobs: Iterable[BlobId]) -> None:
        """A peer said something about these."""
        for blob in blobs:
            wanted = self._wanted.get(blob)
            if wanted and wanted.settling.awaited:
                wanted.settling.awaited.discard(peer)

    def silent(self, peer: PeerId) -> None:
        """Nothing is to be expected of a peer for now."""
        self.heard(peer, tuple(self._wanted))

    def joined(self) -> None:
        """There are more peers to hear."""
        for blob in self._wanted:
            self._look_around(blob)

    def urge(self, duties: Duties, chunks: ChunkSet, around: Around, now: float) -> None:
        """Readers wait for `chunks`, which are others' duty: these should hurry."""
        swarm = duties.swarm
        urged = self._wanted[swarm.blob].urged
        by_owner: dict[PeerId, ChunkSet] = {}
        for chunk in bitset.each(chunks):
            if now - urged.get(chunk, float("-inf")) >= URGE_AGAIN_SECONDS and not _held(swarm, chunk, around):
                urged[chunk] = now
                owner = duties.owner(chunk)
                by_owner[owner] = by_owner.get(owner, 0) | 1 << chunk
        for owner, theirs in by_owner.items():
            neighbour = self._neighbours.get(owner)
            if neighbour and neighbour.link is not None:
                self._tasks.spawn(self._urge(neighbour, swarm.blob, theirs), f"mows-urge-{owner}")

    async def run(self) -> None:
        """Tell the directory what is here and wanted, and hear of swarms that grow, until cancelled."""
        while True:
            await self._publish()
            if self._crowded:
                self.joined()
            await asyncio.sleep(self._times.heartbeat)

    async def _publish(self) -> None:
        wanted = {blob: one.want for blob, one in self._wanted.items()}
        await self._directory.publish(dict.fromkeys(self._lender.blob_ids(), Want.NONE) | wanted)

    @property
    def _crowded(self) -> bool:
        """Whether there are too many peers to ask everybody about every blob."""
        return len(self._neighbours) > self._limits.followed

    def _everyone(self) -> Mapping[PeerId, Want]:
        return {neighbour.peer_id: Want.NONE for neighbour in self._neighbours}

    async def aclose(self) -> None:
        """End what is under way."""
        await self._tasks.aclose()

    def _look_around(self, blob: BlobId) -> None:
        """Few peers are all followed, and at once: who has none must not wait for any."""
        if self._crowded:
            self._tasks.spawn(self._ask_directory(blob), f"mows-swarm-{blob}")
        else:
            self._follow(blob, self._everyone())

    async def _ask_directory(self, blob: BlobId) -> None:
        """At the first time, after this node said that it wants the blob: else nodes that begin at once see nobody."""
        if blob in self._wanted and self._wanted[blob].settling.awaited is None:
            await self._publish()
            await asyncio.sleep(self._times.introduce)
        self._follow(blob, await self._directory.swarm(blob))

    def _follow(self, blob: BlobId, told: Mapping[PeerId, Want]) -> None:
        wanted, swarm = self._wanted.get(blob), self._board.get(blob)
        if wanted is None or swarm is None:  # it is not wanted any more
            return
        members = [neighbour for peer in told if (neighbour := self._neighbours.get(peer))]
        chosen = choose_followed(
            self._zone,
            [neighbour.identity for neighbour in members],
            self._limits.followed,
            self._rng,
            followed=self._links.following(blob),
        )
        self._apply(blob, wanted, {identity.peer_id for identity in chosen})
        for neighbour in members:  # and of nobody else: who is no member never leaves, and would share duty for ever
            want = told[neighbour.peer_id]
            if want is not Want.NONE and not swarm.view(neighbour.peer_id).told:
                swarm.wanted_by(neighbour.peer_id, want)

    def _apply(self, blob: BlobId, wanted: _Wanted, chosen: set[PeerId]) -> None:
        for peer in set(self._links.following(blob)) - chosen:
            if neighbour := self._neighbours.get(peer):
                self._links.unfollow(neighbour, blob)
        if wanted.settling.awaited is None:
            swarm = self._board.get(blob)
            wanted.settling.awaited = {peer for peer in chosen if not (swarm and swarm.view(peer).told)}
        for peer in chosen:
            if neighbour := self._neighbours.get(peer):
                self._links.follow(neighbour, blob, wanted.want)

    async def _urge(self, neighbour: Neighbour, blob: BlobId, chunks: ChunkSet) -> None:
        try:
            if neighbour.link is not None:
                await neighbour.link.locate(blob, chunks, urgent=True)
        except PeerError as error:
            log.info("peer %s did not hear that a reader waits: %s", neighbour.identity.node_id, error)


def _held(swarm: Swarm, chunk: int, around: Around) -> bool:
    views = swarm.peers
    return any(peer in views and views[peer].have >> chunk & 1 for peer in around.usable)
