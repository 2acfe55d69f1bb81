"""What both processes know without being told: the model, how its blob is described, who they are, how they store."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cachefs.sharing import ChunkSet
from cachefs.store import Store, TierSettings, give_huge_pages
from cachefs.types import BlobId, ObjectInfo
from peer.lane.tickets import Tickets
from peer.rpc.host import Subscription
from peer.settings import PeerSettings
from peer.values import Address, Identity, PeerId

CHUNK_BYTES = 8 << 20
TIER_COPIES = 2
"""The blob, and as much again for what the bare pair writes beside it."""
SPARE_BYTES = 64 << 20


def described(size_bytes: int) -> ObjectInfo:
    """The one object, as its origin would describe it."""
    return ObjectInfo("memory://bench/model", "model", size_bytes, "v1", 0)


@contextmanager
def opened_store(tier: Path, size_bytes: int, *, huge_pages: bool) -> Iterator[Store]:
    """A store like a daemon's, with a memory tier of its own at `tier`."""
    capacity_bytes = TIER_COPIES * size_bytes + SPARE_BYTES
    tier.mkdir(parents=True, exist_ok=True)
    if huge_pages:
        give_huge_pages(tier, capacity_bytes, CHUNK_BYTES)
    store = Store([TierSettings(tier, capacity_bytes)], chunk_bytes=CHUNK_BYTES)
    try:
        yield store
    finally:
        store.close()


def fill(store: Store, size_bytes: int) -> BlobId:
    """The whole object into the store: one block of random bytes again and again, with a number in front of each."""
    block = bytearray(random.Random(0).randbytes(CHUNK_BYTES))
    blob = store.acquire(described(size_bytes))
    for chunk in range(blob.key.chunk_count):
        block[:8] = chunk.to_bytes(8, "big")
        writer = blob.write(chunk)
        writer.write(memoryview(block)[: len(blob.key.chunk_range(chunk))])
        writer.commit()
    blob.release()
    return blob.blob_id


def identity(name: str, address: Address, lane_port: int) -> Identity:
    """Who a process is."""
    return Identity(
        node_id=name, boot_id="0" * 16, address=address, lane_port=lane_port, zone="", chunk_bytes=CHUNK_BYTES
    )


def settings(name: str) -> PeerSettings:
    """Peers as they are by default, on loopback."""
    return PeerSettings(node_id=name, zone="", chunk_bytes=CHUNK_BYTES, version="bench", listen="127.0.0.1:0")


class Host:
    """A `PeerHost` that knows no swarms: it gives tickets and chunks."""

    def __init__(self, tickets: Tickets, lane_port: int) -> None:
        self._tickets = tickets
        self._lane_port = lane_port

    def identity(self) -> Identity:
        """See `PeerHost.identity`."""
        return identity("giver", "127.0.0.1:0", self._lane_port)

    def introduced(self, caller: Identity) -> str:
        """See `PeerHost.introduced`."""
        return "" if caller.address else "no address"

    def subscribe(self, caller: Identity) -> Subscription:
        """Nobody follows anything here."""
        raise NotImplementedError(caller.peer_id)

    def locate(self, blob: BlobId, chunks: ChunkSet, urgent: bool) -> tuple[ChunkSet, ChunkSet]:  # noqa: FBT001 - the port's signature
        """Nobody asks where chunks are here."""
        raise NotImplementedError(blob, chunks, urgent)

    def whole(self, blobs: Sequence[BlobId]) -> Sequence[BlobId]:
        """Nobody asks what is here."""
        raise NotImplementedError(blobs)

    def issue_ticket(self, caller: PeerId) -> bytes:
        """See `PeerHost.issue_ticket`."""
        return self._tickets.issue(caller)
