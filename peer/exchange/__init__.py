"""Joins what peers say, what may be decided from it, and what this node's fetcher wants: `cachefs.sharing.Exchange`.

`exchange` answers the fetcher; `host` answers the peers; `links` keeps connections; `news` tells all parts who comes,
speaks and goes; `transport` opens chunks on fill threads. Decisions are those of `peer.policy`; `duties` shows them the
state of a swarm.
"""

from peer.exchange.exchange import PeerExchange
from peer.exchange.host import Host
from peer.exchange.neighbour import Link, Neighbour
from peer.exchange.neighbours import Neighbours

__all__ = ["Host", "Link", "Neighbour", "Neighbours", "PeerExchange"]
