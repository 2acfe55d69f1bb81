"""What it means to all parts of an exchange that peers come, speak, fall silent and go. On the loop.

Shared with the simulator, so that a simulated node hears of its peers as a real one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cachefs.errors import PeerError
from peer.exchange.exchange import PeerExchange
from peer.exchange.interest import Interest
from peer.exchange.links import Links
from peer.exchange.neighbour import Neighbour
from peer.exchange.neighbours import Neighbours
from peer.swarm import Board
from peer.values import HaveUpdate, Identity


@dataclass(frozen=True, slots=True)
class News:
    """Tells it to the parts, in the order in which they depend on each other."""

    board: Board
    neighbours: Neighbours
    links: Links
    interest: Interest
    exchange: PeerExchange

    def left(self, peers: Sequence[Identity]) -> Sequence[Neighbour]:
        """Peers are gone; those of them that were known. `joined` comes after it, if only with nobody."""
        gone = self.neighbours.left(peers)
        self.exchange.left(gone)
        self.board.left(neighbour.peer_id for neighbour in gone)
        for neighbour in gone:
            self.links.drop(neighbour)
            self.interest.silent(neighbour.peer_id)
        return gone

    def joined(self, peers: Sequence[Identity]) -> Sequence[Neighbour]:
        """Peers have come; those of them that are new."""
        come = self.neighbours.joined(peers)
        self.interest.joined()
        self.exchange.wake()
        return come

    def told(self, neighbour: Neighbour, updates: Sequence[HaveUpdate], now: float) -> None:
        """A peer said something: that it lives, at the least."""
        neighbour.broken = False
        if not updates:
            return
        for update in updates:
            neighbour.told(update, now)
            if swarm := self.board.get(update.blob):
                swarm.told(neighbour.peer_id, update, now)
        self.interest.heard(neighbour.peer_id, [update.blob for update in updates])
        self.exchange.told()

    def broke(self, neighbour: Neighbour, error: PeerError | None) -> None:
        """The connection is gone, by an error or in good order."""
        self.interest.silent(neighbour.peer_id)
        neighbour.at_origin.clear()  # it tells again what it gets, once it is connected
        if error is not None:
            neighbour.broken = True
            neighbour.last_failure = str(error)
        self.exchange.wake()
