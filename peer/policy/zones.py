"""Over a zone border, each chunk once: one importer for each zone and chunk.

Nodes that do not know of zones carried 17 copies over the border, nodes that merely prefer their own 2 to 7, and one
owner for each zone 1.1 to 1.3 (DESIGN section 9, rule 8). The owner is found as for the origin, by `peer.policy.duty`
among those members of one's own zone that want the blob. The scores are the same ones, so the node that fetched a chunk
from the origin is its zone's importer as well, and has nothing to import.
"""

from __future__ import annotations

from dataclasses import dataclass

from cachefs.sharing import ChunkSet
from peer.policy.duty import Duty


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneView:
    """What one node knows when it decides what to fetch from other zones. Holders elsewhere are not looked at."""

    missing: ChunkSet
    """Wanted here, and could be started now."""
    held: ChunkSet
    """Some usable peer of this zone visibly holds it."""
    coming: ChunkSet
    """Some peer of this zone says that it gets it now, from another zone or the origin, and is not late."""
    late: ChunkSet
    """Held in another zone, and left untouched by its importer or announced by it for too long."""
    duty: Duty
    """`duty` of this node among those of its zone that want the blob."""
    overdue: ChunkSet = 0
    """Late for so long that the second-ranked importer failed as well: whoever misses it helps itself."""


def importers(view: ZoneView) -> ChunkSet:
    """The chunks whose importer this node is now: it may ask peers of other zones for them.

    For any other chunk it may ask only peers of its own zone. The only member of a zone imports everything.
    """
    wanted = view.missing & ~view.held & ~view.coming
    return wanted & (view.duty.first | view.late & view.duty.second | view.overdue)
