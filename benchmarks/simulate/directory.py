"""The directory of swarms, as Redis keeps it for all nodes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from benchmarks.simulate.surroundings import Surroundings
from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.values import PeerId


class SharedDirectory:
    """What all nodes published."""

    def __init__(self) -> None:
        self.swarms: dict[BlobId, dict[PeerId, Want]] = {}

    def put(self, peer: PeerId, wants: Mapping[BlobId, Want]) -> None:
        """The whole of what a node holds or wants: it replaces what it said before."""
        for blob, want in wants.items():
            self.swarms.setdefault(blob, {})[peer] = want
        for blob in self.swarms.keys() - wants.keys():
            self.swarms[blob].pop(peer, None)


class SimDirectory:
    """Implements `peer.membership.directory.Directory` for one node. Redis is as far away as a peer."""

    def __init__(self, around: Surroundings, shared: SharedDirectory, mine: PeerId) -> None:
        self._around = around
        self._shared = shared
        self._mine = mine

    async def publish(self, wants: Mapping[BlobId, Want]) -> None:
        """See `Directory.publish`."""
        await asyncio.sleep(self._around.peer_way)
        self._shared.put(self._mine, wants)
        await asyncio.sleep(self._around.peer_way)

    async def swarm(self, blob: BlobId) -> Mapping[PeerId, Want]:
        """See `Directory.swarm`."""
        await asyncio.sleep(self._around.peer_way)
        others = dict(self._shared.swarms.get(blob, {}))
        others.pop(self._mine, None)
        await asyncio.sleep(self._around.peer_way)
        return others

    async def aclose(self) -> None:
        """See `Directory.aclose`."""
        self._shared.put(self._mine, {})
