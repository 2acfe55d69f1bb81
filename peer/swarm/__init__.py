"""What this node knows of the swarms it is in: who has which chunks of a blob, who wants them, what it tells others.

State and nothing else: no I/O, no decision. Everything belongs to the loop.
"""

from peer.swarm.board import Board
from peer.swarm.state import PeerView, Swarm
from peer.swarm.subscription import Follower

__all__ = ["Board", "Follower", "PeerView", "Swarm"]
