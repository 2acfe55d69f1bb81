"""What one other node is told of this one: everything about a blob when it begins to follow it, then what is new."""

from __future__ import annotations

import asyncio
from typing import Protocol

from cachefs import bitset
from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.swarm.state import Swarm
from peer.values import HaveUpdate, PeerId

TELL_ALL = -1


class FollowedBoard(Protocol):
    """What a follower needs of the board."""

    def get(self, blob: BlobId) -> Swarm | None:
        """The swarm, if this node knows the blob."""
        ...

    def followed(self, follower: Follower, blob: BlobId, want: Want) -> None:
        """Somebody follows `blob` from now on."""
        ...

    def unfollowed(self, follower: Follower, blob: BlobId) -> None:
        """Not any more."""
        ...


class Follower:
    """Implements `peer.rpc.host.Subscription`."""

    def __init__(self, board: FollowedBoard, peer: PeerId) -> None:
        self.peer = peer
        self.changed = asyncio.Event()
        self._board = board
        self._told: dict[BlobId, int] = {}
        """By blob: how much of the swarm's log was told, or TELL_ALL."""
        self._news: dict[BlobId, None] = {}

    @property
    def blobs(self) -> frozenset[BlobId]:
        """What it follows."""
        return frozenset(self._told)

    def follow(self, blob: BlobId, want: Want) -> None:
        """See `Subscription.follow`."""
        self._told.setdefault(blob, TELL_ALL)
        self._board.followed(self, blob, want)

    def unfollow(self, blob: BlobId) -> None:
        """See `Subscription.unfollow`."""
        if self._told.pop(blob, None) is not None:
            self._news.pop(blob, None)
            self._board.unfollowed(self, blob)

    def take(self) -> list[HaveUpdate]:
        """See `Subscription.take`."""
        news, self._news = self._news, {}
        return [self._update(blob) for blob in news]

    def close(self) -> None:
        """See `Subscription.close`."""
        for blob in tuple(self._told):
            self.unfollow(blob)

    def notice(self, blob: BlobId, *, everything: bool = False) -> None:
        """There is something new about a blob that it follows."""
        if everything:
            self._told[blob] = TELL_ALL
        self._news[blob] = None
        self.changed.set()

    def _update(self, blob: BlobId) -> HaveUpdate:
        swarm = self._board.get(blob)
        if swarm is None:
            return HaveUpdate(blob=blob, chunk_count=0, whole=True, have=0, fetching=0, want=Want.NONE)
        told, self._told[blob] = self._told[blob], len(swarm.log)
        whole = told == TELL_ALL
        return HaveUpdate(
            blob=blob,
            chunk_count=swarm.chunk_count,
            whole=whole,
            have=swarm.mine if whole else bitset.of(swarm.log[told:]),
            fetching=swarm.fetching_bits,
            want=swarm.want,
        )
