"""All swarms this node is in, because it wants the blob or because others follow what it has of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from cachefs import bitset
from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId, BlobKey
from peer.swarm.state import Swarm
from peer.swarm.subscription import Follower
from peer.values import PeerId


class Board:
    """The swarms by blob. `look_up(blob)` begins to find out what this node has of a blob; `found` takes the answer."""

    def __init__(self, look_up: Callable[[BlobId], None]) -> None:
        self._look_up = look_up
        self._swarms: dict[BlobId, Swarm] = {}
        self._followers: dict[BlobId, dict[Follower, Want]] = {}

    def __len__(self) -> int:
        return len(self._swarms)

    def get(self, blob: BlobId) -> Swarm | None:
        """The swarm of a blob, if this node knows the blob."""
        return self._swarms.get(blob)

    def wanted(self) -> list[Swarm]:
        """The swarms of what this node wants."""
        return [swarm for swarm in self._swarms.values() if swarm.want is not Want.NONE]

    def all(self) -> list[Swarm]:
        """Every swarm."""
        return list(self._swarms.values())

    def subscribe(self, peer: PeerId) -> Follower:
        """A peer begins to follow this node."""
        return Follower(self, peer)

    # ------------------------------------------------------------- our side

    def want(self, key: BlobKey, want: Want, mine: ChunkSet) -> Swarm:
        """This node wants a blob from now on, more or less than before. `mine` is what is here of it now."""
        blob = key.blob_id
        swarm = self._swarms.get(blob) or self._add(Swarm(blob, key.chunk_count, mine))
        if swarm.mine & ~mine:
            self.reset(blob, mine)
        for chunk in bitset.each(mine & ~swarm.mine):  # came while there was nobody to take note of it
            swarm.landed(chunk)
        swarm.key, swarm.want = key, want
        self.tell(blob)
        return swarm

    def unwant(self, blob: BlobId) -> None:
        """This node wants it no more."""
        swarm = self._swarms[blob]
        swarm.want = Want.NONE
        swarm.urged = 0
        self.tell(blob)
        self.drop_if_idle(blob)

    def landed(self, blob: BlobId, chunk: int) -> None:
        """A chunk is here."""
        swarm = self._swarms.get(blob)
        if swarm is not None and swarm.landed(chunk):
            self.tell(blob)

    def reset(self, blob: BlobId, mine: ChunkSet) -> None:
        """What is here of a blob is less than was told."""
        if swarm := self._swarms.get(blob):
            swarm.reset(mine)
            for follower in self._followers.get(blob, ()):
                follower.notice(blob, everything=True)

    def tell(self, blob: BlobId) -> None:
        """Something about a blob changed that followers should know."""
        for follower in self._followers.get(blob, ()):
            follower.notice(blob)

    # ---------------------------------------------------------- their side

    def followed(self, follower: Follower, blob: BlobId, want: Want) -> None:
        """See `FollowedBoard.followed`."""
        followers = self._followers.setdefault(blob, {})
        fresh = follower not in followers
        followers[follower] = want
        if swarm := self._swarms.get(blob):
            swarm.wanted_by(follower.peer, want)
            if fresh:
                follower.notice(blob)
        elif fresh:
            self._look_up(blob)

    def unfollowed(self, follower: Follower, blob: BlobId) -> None:
        """See `FollowedBoard.unfollowed`."""
        followers = self._followers[blob]
        del followers[follower]
        if not followers:
            del self._followers[blob]
        if swarm := self._swarms.get(blob):
            back = any(other.peer == follower.peer for other in followers)  # over another connection already
            if follower.peer in swarm.peers and not back:
                swarm.wanted_by(follower.peer, Want.NONE)
            self.drop_if_idle(blob)

    def found(self, blob: BlobId, chunk_count: int, mine: ChunkSet) -> None:
        """What `look_up` found: nothing, if `chunk_count` is 0."""
        if blob not in self._followers:
            return
        if chunk_count and blob not in self._swarms:
            self._add(Swarm(blob, chunk_count, mine))
        for follower in self._followers[blob]:
            follower.notice(blob)

    def left(self, peers: Iterable[PeerId]) -> None:
        """Peers are gone: what they said is forgotten."""
        for peer in peers:
            for swarm in self._swarms.values():
                swarm.left(peer)

    def _add(self, swarm: Swarm) -> Swarm:
        self._swarms[swarm.blob] = swarm
        for follower, want in self._followers.get(swarm.blob, {}).items():
            swarm.wanted_by(follower.peer, want)
            follower.notice(swarm.blob, everything=True)
        return swarm

    def drop_if_idle(self, blob: BlobId) -> None:
        """Forget the swarm if nobody here or elsewhere has an interest in it any more."""
        swarm = self._swarms.get(blob)
        if swarm and swarm.want is Want.NONE and blob not in self._followers and not swarm.incoming:
            del self._swarms[blob]
