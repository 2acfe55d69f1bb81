"""A node for the peer service to speak for, small enough to look into: twins of the exchange and of the store."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import xxhash

from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId, BlobKey
from peer.lane.uploads import Uploads
from peer.rpc.link import PeerLink
from peer.rpc.security import Security
from peer.rpc.server import PeerServer
from peer.settings import PeerLimits, PeerSettings, PeerTimes, SecuritySettings
from peer.values import HaveUpdate, Identity, PeerId

KIB = 1 << 10
MIB = 1 << 20

QUICK = PeerTimes(announce=0.01, heartbeat=0.05, dead_after=30.0, connect=30.0, handshake=30.0)
"""News soon, and deadlines that a slow machine does not meet."""


def identity(node_id: str = "node-b", *, boot_id: str = "0123456789abcdef", address: str = "127.0.0.1:1") -> Identity:
    """A node as others see it."""
    return Identity(
        node_id=node_id, boot_id=boot_id, address=address, lane_port=7, zone="z1", chunk_bytes=64 * KIB, version="1.2.3"
    )


ME = identity("node-a", boot_id="fedcba9876543210")


class Following:
    """A `Subscription` that the test speaks through."""

    def __init__(self, caller: Identity) -> None:
        self.caller = caller
        self.changed = asyncio.Event()
        self.followed: dict[BlobId, Want] = {}
        self.touched = asyncio.Event()
        self.closed = asyncio.Event()
        self._news: list[HaveUpdate] = []

    def follow(self, blob: BlobId, want: Want) -> None:
        self.followed[blob] = want
        self.touched.set()

    def unfollow(self, blob: BlobId) -> None:
        self.followed.pop(blob, None)
        self.touched.set()

    def take(self) -> list[HaveUpdate]:
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        assert not self.closed.is_set()
        self.closed.set()

    def tell(self, *updates: HaveUpdate) -> None:
        """What the next batch brings."""
        self._news.extend(updates)
        self.changed.set()

    async def until_follows(self, followed: dict[BlobId, Want]) -> None:
        """Wait until this is what the other node follows."""
        while self.followed != followed:
            self.touched.clear()
            await self.touched.wait()


class Host:
    """A `PeerHost` that remembers what it was told and answers what it is given."""

    def __init__(self) -> None:
        self.mine = identity()
        self.met: list[Identity] = []
        self.cannot_reach = ""
        self.subscriptions: asyncio.Queue[Following] = asyncio.Queue()
        self.have: ChunkSet = 0
        self.fetching: ChunkSet = 0
        self.complete: set[BlobId] = set()
        self.located: list[tuple[BlobId, ChunkSet, bool]] = []
        self.error: Exception | None = None

    def identity(self) -> Identity:
        return self.mine

    def introduced(self, caller: Identity) -> str:
        self.met.append(caller)
        if self.error:
            raise self.error
        return self.cannot_reach

    def subscribe(self, caller: Identity) -> Following:
        subscription = Following(caller)
        self.subscriptions.put_nowait(subscription)
        return subscription

    def locate(self, blob: BlobId, chunks: ChunkSet, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        self.located.append((blob, chunks, urgent))
        return self.have & chunks, self.fetching & chunks

    def whole(self, blobs: Sequence[BlobId]) -> list[BlobId]:
        return [blob for blob in blobs if blob in self.complete]

    def issue_ticket(self, caller: PeerId) -> bytes:
        return f"ticket of {caller}".encode()


@dataclasses.dataclass
class Lent:
    """A `LentBlob` of a file."""

    key: BlobKey
    fd: int
    digests: list[bytes]
    have: ChunkSet
    store: Shelf

    def held(self, chunk: int) -> AbstractContextManager[None]:
        """See `LentBlob.held`."""
        return nullcontext()

    def digest(self, chunk: int) -> bytes | None:
        return self.digests[chunk] if self.have >> chunk & 1 else None

    def release(self) -> None:
        self.store.lent -= 1


class Shelf:
    """A `Lender` of blobs that the test puts there, and how many are out."""

    def __init__(self, root: Path) -> None:
        self.lent = 0
        self._root = root
        self._blobs: dict[BlobId, tuple[int, BlobKey, list[bytes], ChunkSet]] = {}

    def put(self, data: bytes, chunk_bytes: int = 64 * KIB, have: ChunkSet | None = None) -> BlobKey:
        """A blob of these bytes; `have` of its chunks are here, or all."""
        key = BlobKey(f"file:///{len(self._blobs)}", "v1", len(data), chunk_bytes)
        path = self._root / key.blob_id
        path.write_bytes(data)
        spans = [key.chunk_range(chunk) for chunk in range(key.chunk_count)]
        digests = [xxhash.xxh3_128_digest(data[span.start : span.stop]) for span in spans]
        present = (1 << key.chunk_count) - 1 if have is None else have
        self._blobs[key.blob_id] = os.open(path, os.O_RDONLY), key, digests, present
        return key

    def lend(self, blob_id: BlobId) -> Lent | None:
        if blob_id not in self._blobs:
            return None
        fd, key, digests, have = self._blobs[blob_id]
        self.lent += 1
        return Lent(key, fd, digests, have, self)

    def blob_ids(self) -> list[BlobId]:
        return list(self._blobs)

    def whole(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        return [blob_id for blob_id in blob_ids if blob_id in self._blobs]

    def truncate(self, key: BlobKey, size_bytes: int) -> None:
        """The file loses its end, as no healthy store's does."""
        os.truncate(self._root / key.blob_id, size_bytes)

    def close(self) -> None:
        for fd, *_ in self._blobs.values():
            os.close(fd)


@dataclasses.dataclass
class World:
    """A running server, and what stands behind it."""

    host: Host
    shelf: Shelf
    uploads: Uploads
    server: PeerServer
    settings: PeerSettings

    @property
    def there(self) -> Identity:
        """The server as a link's `peer`."""
        return self.host.mine

    @contextlib.asynccontextmanager
    async def link(self, security: SecuritySettings | None = None, mine: Identity = ME) -> AsyncIterator[PeerLink]:
        """A link to the server."""
        link = PeerLink(self.there, lambda: mine, Security(security or self.settings.security), self.settings.times)
        try:
            yield link
        finally:
            await link.aclose()


def settings_of(
    *, times: PeerTimes = QUICK, limits: PeerLimits | None = None, security: SecuritySettings | None = None
) -> PeerSettings:
    """Settings of a node on a free port of the loopback."""
    return PeerSettings(
        node_id="node-b",
        zone="z1",
        chunk_bytes=64 * KIB,
        version="1.2.3",
        listen="127.0.0.1:0",
        times=times,
        limits=limits or PeerLimits(),
        security=security or SecuritySettings(),
    )


@contextlib.contextmanager
def shelf_in(root: Path) -> Iterator[Shelf]:
    """A `Shelf`, which must have everything back at the end."""
    shelf = Shelf(root)
    try:
        yield shelf
    finally:
        shelf.close()
    assert shelf.lent == 0


@contextlib.asynccontextmanager
async def serving(root: Path, settings: PeerSettings | None = None) -> AsyncIterator[World]:
    """A server that runs while the context lasts."""
    settings = settings or settings_of()
    host, uploads = Host(), Uploads(settings.limits)
    with shelf_in(root) as shelf:
        async with PeerServer(host, shelf, uploads, settings) as server:
            host.mine = dataclasses.replace(host.mine, address=server.address)
            yield World(host, shelf, uploads, server, settings)
        assert uploads.running == 0
        assert uploads.bytes_in_flight == 0
