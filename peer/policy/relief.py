"""When the origin relieves the peers: it is asked even for chunks that peers hold.

As a rule a chunk that any peer holds is not asked of the origin, for its bytes are what the swarm is to spare. But on a
fast origin and a slow network that rule makes nodes wait for each other while the origin idles; then both are used.
The rule is broken only when three things hold for a while: peers hold more than they will deliver soon, they deliver
it at a fraction of the origin's measured rate, and this is not the start, when nobody has delivered anything yet.

In a healthy swarm of N nodes peers bring (N - 1)/N of the bytes and the origin 1/N, so that the origin is at most as
fast as the peers, even for two nodes; and what peers hold is fetched about as soon as they say so. So neither holds.
Turning relief off takes less than turning it on: the rates of both sources move once it is on, and it must not flutter.
"""

from __future__ import annotations

from dataclasses import dataclass

ON_RATIO = 3.0
"""Relief begins when the origin is so many times as fast as all peers together: far from the 1.0 of two nodes."""

OFF_RATIO = 1.5
"""And ends when it is not even so many times as fast: then peers bring a good part of the bytes."""

BACKLOG_SECONDS = 2.0
"""It begins when peers need so long for what they hold already. A healthy swarm's backlog is its announcements' age,
some 0.1 s to 0.2 s, and what its slots hold, some 0.05 s."""

WAITED_SECONDS = 2.0
"""And when that has been so for so long: rates measured over less say little."""


@dataclass(frozen=True, slots=True)
class SourceRates:
    """What one node gets of one blob from where."""

    peers_bytes_per_second: float | None
    """From all peers together, lately, while they held something for us. None while that is not known."""
    origin_bytes_per_second: float | None
    """From the origin, while requests to it were running. None while that is not known."""
    held_bytes: int = 0
    """Missing here, and visibly held by usable peers."""
    waited_seconds: float = 0.0
    """For how long there has been something of that kind, without interruption."""


def relief(rates: SourceRates, *, on: bool = False) -> bool:
    """Whether the origin is to be asked for chunks that peers hold, too. `on` is what was answered before."""
    peers, origin = rates.peers_bytes_per_second, rates.origin_bytes_per_second
    if peers is None or origin is None or not rates.held_bytes:
        return False
    if on:
        return origin > OFF_RATIO * peers
    backlogged = rates.held_bytes > BACKLOG_SECONDS * peers and rates.waited_seconds >= WAITED_SECONDS
    return backlogged and origin > ON_RATIO * peers
