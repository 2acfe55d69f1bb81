"""How many other nodes have a blob of ours as a whole: asked now and then, so that the last copy is evicted last.

What is evicted is not wanted, so nobody here follows it, and no stream of haves tells of it. The numbers are as old as
the last round of questions, and order the evictions of blobs that are equally cold; nothing else depends on them.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import chain

from cachefs.errors import PeerError
from cachefs.sharing import Lender
from cachefs.types import BlobId
from peer.exchange.neighbour import Link, Neighbour
from peer.exchange.neighbours import Neighbours
from peer.values import Identity

log = logging.getLogger(__name__)

MOST_PEERS = 16
"""Peers asked in one round, chosen anew each time: in a large fleet a sample says which blobs are rare."""

BLOBS_AT_ONCE = 4096
"""What one question may name."""


class Copies:
    """Belongs to the loop, except `count`. `connect` makes a link to a peer that none is connected to now."""

    def __init__(
        self, lender: Lender, neighbours: Neighbours, connect: Callable[[Identity], Link], rng: random.Random
    ) -> None:
        self._lender = lender
        self._neighbours = neighbours
        self._connect = connect
        self._rng = rng
        self._counts: Mapping[BlobId, int] = {}  # replaced as a whole: other threads read it

    def count(self, blob: BlobId) -> int:
        """Nodes that had it in the last round; 0 where nobody knows. Quick. Any thread."""
        return self._counts.get(blob, 0)

    async def run(self, interval_seconds: float) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(interval_seconds)

    async def look(self) -> None:
        """One round. A peer that does not answer has nothing."""
        blobs, members = self._lender.blob_ids(), list(self._neighbours)
        asked = self._rng.sample(members, min(MOST_PEERS, len(members))) if blobs else []
        answers = await asyncio.gather(*(self._ask(neighbour, blobs) for neighbour in asked))
        self._counts = Counter(chain.from_iterable(answers))

    async def _ask(self, neighbour: Neighbour, blobs: Sequence[BlobId]) -> set[BlobId]:
        connected = neighbour.link
        link = connected or self._connect(neighbour.identity)
        try:
            return await _whole(link, blobs)
        except PeerError as error:
            log.info("peer %s does not say which blobs it has: %s", neighbour.identity.node_id, error)
            return set()
        finally:
            if connected is None:
                await link.aclose()


async def _whole(link: Link, blobs: Sequence[BlobId]) -> set[BlobId]:
    found: set[BlobId] = set()
    for start in range(0, len(blobs), BLOBS_AT_ONCE):
        found |= await link.whole(blobs[start : start + BLOBS_AT_ONCE])
    return found
