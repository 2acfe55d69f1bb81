"""One simulated node: the daemon's own exchange, joined to simulated connections, a simulated fetcher and links.

It is put together as `peer.node` puts the daemon together. What is not the daemon's own: connections (`telling`), the
directory, the fetcher, and membership, which the swarm tells each node.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from benchmarks.simulate.cache import Cache
from benchmarks.simulate.fetcher import NodeLinks, SimFetcher
from benchmarks.simulate.surroundings import Surroundings
from benchmarks.simulate.telling import SimLink, Telling
from benchmarks.simulate.uplink import Uplink
from cachefs.errors import PeerError
from cachefs.sharing import ChunkStream
from cachefs.types import BlobKey, Deadline
from peer.exchange import Host, Link, Neighbour, Neighbours, PeerExchange
from peer.exchange.interest import Interest
from peer.exchange.links import Links
from peer.exchange.news import News
from peer.membership.directory import Directory
from peer.values import HaveUpdate, Identity, PeerId


class _NoOpener:
    """Implements `peer.exchange.transport.Opener`: chunks are flows, and nothing is opened."""

    def open(self, neighbour: Neighbour, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        raise NotImplementedError


class SimNode:
    """A node of the swarm. `node_of` knows all others."""

    def __init__(
        self,
        around: Surroundings,
        identity: Identity,
        links: NodeLinks,
        directory: Directory,
        node_of: Callable[[PeerId], SimNode],
        rng: random.Random,
    ) -> None:
        self.identity = identity
        self.peer_id = identity.peer_id
        self.alive = True
        self.begun_at: float | None = None
        self.finished_at: float | None = None
        self.cache = Cache()
        self.uplink = Uplink(around, links.up)
        self.neighbours = Neighbours(identity.zone)
        self._around = around
        self._node_of = node_of
        self._tasks: list[asyncio.Task[None]] = []
        self._host = Host(
            lambda: identity,
            self.cache,
            introduced=lambda _: "",
            ticket=lambda _: b"",
            wake=self._wake,
        )
        self.telling = Telling(around, self._host)
        self._links = Links(self._connect, around.times, updated=self._updated, broken=self._broken)
        self._interest = Interest(
            identity.zone,
            self._host.board,
            self.neighbours,
            self._links,
            directory,
            self.cache,
            limits=around.limits,
            times=around.times,
            rng=rng,
        )
        self.exchange = PeerExchange(
            self.peer_id,
            self.cache,
            self._host.board,
            self.neighbours,
            self._interest,
            _NoOpener(),
            limits=around.limits,
            times=around.times,
            rng=rng,
            suspect=lambda _: None,
        )
        self._news = News(self._host.board, self.neighbours, self._links, self._interest, self.exchange)
        self.fetcher = SimFetcher(around, self.exchange, self.cache, links, self._uplink_of, self._finished)

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """The daemon runs, and wants nothing yet."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._interest.run()))

    def begin(self, keys: Sequence[BlobKey]) -> None:
        """Want these files from now on."""
        self.begun_at = self._around.now
        self.fetcher.begin(keys)

    def die(self) -> None:
        """Killed: its connections break, and nobody hears of it again."""
        self.alive = False
        self.fetcher.die()
        self.uplink.close()
        self.telling.die()
        self._tasks.append(asyncio.get_running_loop().create_task(self._end()))

    async def aclose(self) -> None:
        """End all tasks."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()

    async def _end(self) -> None:
        await self._interest.aclose()
        await self._links.aclose()
        await self._host.aclose()

    def _finished(self) -> None:
        self.finished_at = self._around.now
        self._around.finished()

    # -------------------------------------------------------- what peers do

    def _wake(self) -> None:
        self.fetcher.wake_soon()

    def members_changed(self, joined: Sequence[Identity], left: Sequence[Identity]) -> None:
        """The roster changes."""
        self._news.left(left)
        self._news.joined(joined)

    def _uplink_of(self, peer: PeerId) -> Uplink:
        return self._node_of(peer).uplink

    def _connect(self, peer: Identity) -> Link:
        return SimLink(self._around, self.identity, self._node_of(peer.peer_id).telling)

    def _updated(self, neighbour: Neighbour, updates: Sequence[HaveUpdate]) -> None:
        self._news.told(neighbour, updates, self._around.now)

    def _broken(self, neighbour: Neighbour, error: PeerError | None) -> None:
        self._news.broke(neighbour, error)
