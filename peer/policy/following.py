"""Which members of a swarm to follow: whose word about their chunks is asked for.

More than 16 bring nothing (DESIGN section 9, rule 6), and in a swarm of a thousand each word to everybody would cost
more than the chunks are worth. The choice is random, so that the swarm hangs together without anybody arranging it;
mostly of the own zone, but never only: through the others come the chunks that the zone does not have yet.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence

from peer.values import Identity, PeerId

OTHER_ZONES_RATIO = 0.25
"""Part of the links that other zones get, while they have so many members: 16 of 64."""


def choose_followed(
    mine: str, members: Sequence[Identity], limit: int, rng: random.Random, *, followed: Collection[PeerId] = ()
) -> list[Identity]:
    """At most `limit` of `members` (without ourselves) to follow, seen from the zone `mine`.

    Those that are `followed` already stay: setting up a link costs a whole bitmap for each blob, and changes nothing.
    They only go when they are members no more, or crowd out the part of their own zone or of the others.
    """
    near = [member for member in members if member.zone == mine]
    far = [member for member in members if member.zone != mine]
    of_far = min(len(far), max(_kept_for_others(limit), limit - len(near)))
    return _some(near, limit - of_far, rng, followed) + _some(far, of_far, rng, followed)


def _kept_for_others(limit: int) -> int:
    """At least one, unless there is but one link."""
    return max(int(limit * OTHER_ZONES_RATIO), min(1, limit - 1), 0)


def _some(members: Sequence[Identity], number: int, rng: random.Random, followed: Collection[PeerId]) -> list[Identity]:
    """Random ones, those followed before others."""
    shuffled = rng.sample(members, len(members))
    shuffled.sort(key=lambda member: member.peer_id not in followed)
    return shuffled[: max(0, number)]
