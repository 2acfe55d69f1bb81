"""All peers this node has met, by id. Owned by the loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from peer.exchange.neighbour import Neighbour
from peer.values import Identity, PeerId

REMEMBERED = 64
"""Peers that left are shown for a while: at 3 a.m. one wants to know who was there."""


class Neighbours:
    """The members, and the last ones that left."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._members: dict[PeerId, Neighbour] = {}
        self._left: deque[Neighbour] = deque(maxlen=REMEMBERED)

    def __iter__(self) -> Iterator[Neighbour]:
        return iter(tuple(self._members.values()))

    def __len__(self) -> int:
        return len(self._members)

    def get(self, peer: PeerId) -> Neighbour | None:
        """The member of this id."""
        return self._members.get(peer)

    def joined(self, identities: Iterable[Identity]) -> list[Neighbour]:
        """New members."""
        fresh = [self._met(identity) for identity in identities if identity.peer_id not in self._members]
        self._members.update((neighbour.peer_id, neighbour) for neighbour in fresh)
        return fresh

    def _met(self, identity: Identity) -> Neighbour:
        """The same run of a node is the same neighbour when it comes back: no partition ends a quarantine."""
        for neighbour in self._left:
            if neighbour.peer_id == identity.peer_id:
                self._left.remove(neighbour)
                neighbour.identity, neighbour.gone = identity, False
                return neighbour
        return Neighbour(identity, self._zone)

    def left(self, identities: Iterable[Identity]) -> list[Neighbour]:
        """Members that are none any more."""
        gone = [self._members.pop(identity.peer_id) for identity in identities if identity.peer_id in self._members]
        for neighbour in gone:
            neighbour.gone = True
        self._left.extend(gone)
        return gone

    def ever(self) -> list[Neighbour]:
        """Members first, then those that left, the last one first."""
        return [*self._members.values(), *reversed(self._left)]

    def usable(self, now: float) -> dict[PeerId, bool]:
        """Those that may be asked now; whether each is of this node's zone."""
        return {peer: neighbour.same_zone for peer, neighbour in self._members.items() if neighbour.usable(now)}

    def trusted(self, now: float) -> dict[PeerId, bool]:
        """Those that may be asked now or within moments: what they hold need not come from the origin."""
        return {
            peer: neighbour.same_zone
            for peer, neighbour in self._members.items()
            if neighbour.link is not None and not neighbour.health.quarantined(now)
        }

    def quarantined(self, peer: PeerId, now: float) -> bool:
        """Whether nothing of what a peer has or gets is of use, since it sent wrong bytes."""
        neighbour = self._members.get(peer)
        return neighbour is not None and neighbour.health.quarantined(now)

    def zone_mates(self, now: float) -> frozenset[PeerId] | None:
        """The members of this node's zone that may be asked now or within moments; None when all members are of it."""
        if all(neighbour.same_zone for neighbour in self._members.values()):
            return None
        return frozenset(peer for peer, near in self.trusted(now).items() if near)

    def idle_since(self) -> dict[PeerId, float]:
        """Those that get nothing from the origin, and since when."""
        return {
            peer: one.idle_since
            for peer, one in self._members.items()
            if not one.at_origin and one.idle_since is not None
        }
