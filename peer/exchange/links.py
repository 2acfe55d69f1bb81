"""Keeps a connection to every peer that is followed, and follows on it what this node wants. On the loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial

from cachefs.errors import PeerError
from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.exchange.neighbour import Link, Neighbour
from peer.settings import PeerTimes
from peer.tasks import Tasks
from peer.values import HaveUpdate, Identity, PeerId

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5
"""A connection that broke is tried again so soon, as long as membership says that the peer lives."""


class Links:
    """The connections. `connect` makes one; `updated` hears what peers say, `broken` that a connection is gone."""

    def __init__(
        self,
        connect: Callable[[Identity], Link],
        times: PeerTimes,
        *,
        updated: Callable[[Neighbour, Sequence[HaveUpdate]], None],
        broken: Callable[[Neighbour, PeerError | None], None],
    ) -> None:
        self._connect = connect
        self._times = times
        self._updated = updated
        self._broken = broken
        self._follows: dict[PeerId, dict[BlobId, Want]] = {}
        self._serving: dict[PeerId, asyncio.Task[None]] = {}
        self._timers: dict[PeerId, asyncio.TimerHandle] = {}
        self._tasks = Tasks()
        """Those of `_serving`, and those that were dropped and are not gone yet."""

    def follow(self, neighbour: Neighbour, blob: BlobId, want: Want) -> None:
        """Be told by this peer about a blob, from now on and after every reconnection."""
        follows = self._follows.setdefault(neighbour.peer_id, {})
        if follows.get(blob) is want:
            return
        follows[blob] = want
        if neighbour.link is not None:
            neighbour.link.follow(blob, want)
        self._keep(neighbour)

    def unfollow(self, neighbour: Neighbour, blob: BlobId) -> None:
        """No more. A connection over which nothing is followed closes after a while."""
        follows = self._follows.get(neighbour.peer_id, {})
        if follows.pop(blob, None) is None:
            return
        if neighbour.link is not None:
            neighbour.link.unfollow(blob)
        if not follows:
            loop = asyncio.get_running_loop()
            self._timers[neighbour.peer_id] = loop.call_later(self._times.idle, self.drop, neighbour)

    def following(self, blob: BlobId) -> Collection[PeerId]:
        """The peers that are followed for a blob."""
        return [peer for peer, follows in self._follows.items() if blob in follows]

    def followed(self, peer: PeerId) -> Mapping[BlobId, Want]:
        """What is followed at a peer."""
        return self._follows.get(peer, {})

    def drop(self, neighbour: Neighbour) -> None:
        """Close the connection to this peer, and forget what was followed."""
        self._follows.pop(neighbour.peer_id, None)
        if timer := self._timers.pop(neighbour.peer_id, None):
            timer.cancel()
        if task := self._serving.pop(neighbour.peer_id, None):
            task.cancel()

    async def aclose(self) -> None:
        """Close all connections."""
        for timer in self._timers.values():
            timer.cancel()
        self._serving.clear()
        await self._tasks.aclose()

    def _keep(self, neighbour: Neighbour) -> None:
        if timer := self._timers.pop(neighbour.peer_id, None):
            timer.cancel()
        if neighbour.peer_id not in self._serving:
            name = f"mows-link-{neighbour.identity.node_id}"
            self._serving[neighbour.peer_id] = self._tasks.spawn(self._serve(neighbour), name)

    async def _serve(self, neighbour: Neighbour) -> None:
        while True:
            error = await self._serve_once(neighbour)
            self._broken(neighbour, error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _serve_once(self, neighbour: Neighbour) -> PeerError | None:
        link = self._connect(neighbour.identity)
        try:
            for blob, want in self._follows.get(neighbour.peer_id, {}).items():
                link.follow(blob, want)
            neighbour.link = link
            await link.run(partial(self._updated, neighbour))
        except PeerError as error:
            log.info("peer %s at %s: %s", neighbour.identity.node_id, neighbour.identity.address, error)
            return error
        finally:
            if neighbour.link is link:  # and not the next one already
                neighbour.link = None
            await link.aclose()
        return None
