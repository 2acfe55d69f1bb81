"""One node among twins of its peers: links that the test speaks through, chunks that come when it says so."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import xxhash

from cachefs import bitset
from cachefs.errors import PeerError, PeerUnavailable
from cachefs.sharing import Ask, ChunkSet, ChunkStream, Want
from cachefs.types import BlobId, BlobKey, Deadline, Priority
from peer.exchange import Neighbour, Neighbours, PeerExchange
from peer.exchange.interest import Interest
from peer.exchange.links import Links
from peer.exchange.news import News
from peer.exchange.transport import RemoteChunk
from peer.policy.duty import duty
from peer.settings import PeerLimits, PeerTimes
from peer.swarm import Board
from peer.values import HaveUpdate, Identity, PeerId

CHUNK = 1 << 10
COUNT = 16
KEY = BlobKey("memory://bucket/x", "1", COUNT * CHUNK - 100, CHUNK)
OTHER = BlobKey("memory://bucket/y", "1", 3 * CHUNK, CHUNK)
BLOB = KEY.blob_id
ALL: ChunkSet = (1 << COUNT) - 1

PATIENT = PeerTimes(settle=3600.0, idle=3600.0, heartbeat=3600.0, introduce=0.0)
"""Nothing happens by the passing of time, unless a test passes another moment."""


def identity(node_id: str, *, zone: str = "", boot_id: str = "1") -> Identity:
    """A node as others see it."""
    address = f"{node_id}.test:9302"
    return Identity(node_id=node_id, boot_id=boot_id, address=address, lane_port=9303, zone=zone, chunk_bytes=CHUNK)


def update(
    have: ChunkSet, *, whole: bool = True, fetching: ChunkSet = 0, want: Want = Want.ALL, key: BlobKey = KEY
) -> HaveUpdate:
    """What a peer says about a blob."""
    count = key.chunk_count
    return HaveUpdate(blob=key.blob_id, chunk_count=count, whole=whole, have=have, fetching=fetching, want=want)


UNKNOWN = HaveUpdate(blob=BLOB, chunk_count=0, whole=True, have=0, fetching=0, want=Want.NONE)


class Stream:
    """A `ChunkStream` that only remembers what became of it."""

    digest = xxhash.xxh3_128_digest(b"")

    def __init__(self) -> None:
        self.cancelled = False
        self.closed = False

    def __iter__(self) -> Iterator[memoryview]:
        return iter(())

    def close(self) -> None:
        self.closed = True

    def cancel(self) -> None:
        self.cancelled = True


class Opener:
    """A `transport.Opener` that gives a `Stream`, and remembers for which peer and chunk."""

    def __init__(self) -> None:
        self.opened: list[tuple[PeerId, int, Stream]] = []

    def open(self, neighbour: Neighbour, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        stream = Stream()
        self.opened.append((neighbour.peer_id, chunk, stream))
        return stream


class TwinLink:
    """A `Link` that the test speaks through: `say` is the peer's word, `breaks` ends the connection."""

    def __init__(self, peer: Identity) -> None:
        self.peer = peer
        self.follows: dict[BlobId, Want] = {}
        self.located: list[tuple[BlobId, ChunkSet, bool]] = []
        self.locate_error: PeerError | None = None
        self.holds: set[BlobId] = set()
        self.asked: list[list[BlobId]] = []
        self.whole_error: PeerError | None = None
        self.closed = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._on_updates: Callable[[Sequence[HaveUpdate]], None] | None = None

    async def run(self, on_updates: Callable[[Sequence[HaveUpdate]], None]) -> None:
        self._on_updates = on_updates
        await self._broken

    def say(self, *updates: HaveUpdate) -> None:
        assert self._on_updates, "nobody listens"
        self._on_updates(updates)

    def breaks(self, error: PeerError | None = None) -> None:
        self._broken.set_exception(error or PeerUnavailable(f"{self.peer.address}: reset"))

    def follow(self, blob: BlobId, want: Want) -> None:
        self.follows[blob] = want

    def unfollow(self, blob: BlobId) -> None:
        del self.follows[blob]

    async def locate(self, blob: BlobId, chunks: ChunkSet, *, urgent: bool) -> tuple[ChunkSet, ChunkSet]:
        self.located.append((blob, chunks, urgent))
        if self.locate_error:
            raise self.locate_error
        return 0, 0

    async def whole(self, blobs: Sequence[BlobId]) -> set[BlobId]:
        self.asked.append(list(blobs))
        if self.whole_error:
            raise self.whole_error
        return self.holds.intersection(blobs)

    async def ticket(self) -> bytes:
        return b"a ticket"

    def fetch(self, key: BlobKey, chunk: int, deadline: Deadline) -> ChunkStream:
        return Stream()

    async def aclose(self) -> None:
        self.closed = True


@dataclass
class Lent:
    """A `LentBlob` without bytes."""

    key: BlobKey
    have: ChunkSet
    shelf: Shelf
    fd: int = -1

    def held(self, chunk: int) -> AbstractContextManager[None]:
        """See `LentBlob.held`."""
        return nullcontext()

    def digest(self, chunk: int) -> bytes | None:
        return bytes(16) if self.have >> chunk & 1 else None

    def release(self) -> None:
        self.shelf.lent -= 1


class Shelf:
    """A `Lender` of what the test says is here."""

    def __init__(self) -> None:
        self.have: dict[BlobKey, ChunkSet] = {}
        self.lent = 0

    def lend(self, blob_id: BlobId) -> Lent | None:
        for key, have in self.have.items():
            if key.blob_id == blob_id:
                self.lent += 1
                return Lent(key, have, self)
        return None

    def blob_ids(self) -> list[BlobId]:
        return [key.blob_id for key in self.have]

    def whole(self, blob_ids: Sequence[BlobId]) -> list[BlobId]:
        complete = {key.blob_id for key, have in self.have.items() if have == bitset.span(0, key.chunk_count)}
        return [blob_id for blob_id in blob_ids if blob_id in complete]


class TwinDirectory:
    """A `Directory` that answers what the test put in, and remembers what was published and asked."""

    def __init__(self) -> None:
        self.swarms: dict[BlobId, dict[PeerId, Want]] = {}
        self.published: asyncio.Queue[dict[BlobId, Want]] = asyncio.Queue()
        self.asked: list[BlobId] = []

    async def publish(self, wants: Mapping[BlobId, Want]) -> None:
        self.published.put_nowait(dict(wants))

    async def swarm(self, blob: BlobId) -> Mapping[PeerId, Want]:
        self.asked.append(blob)
        return self.swarms.get(blob, {})

    async def aclose(self) -> None:
        """Nothing to end."""


class Node:
    """A real exchange with all its parts; its links, its lender and the bytes are twins.

    Made and ended by `node`. Time is the loop's, but nothing is awaited that only time brings.
    """

    def __init__(self, *, limits: PeerLimits, times: PeerTimes, zone: str) -> None:
        self.me = identity("me", zone=zone)
        self.limits, self.times = limits, times
        self.shelf = Shelf()
        self.directory = TwinDirectory()
        self.opener = Opener()
        self.links_made: list[TwinLink] = []
        self.suspected: list[PeerId] = []
        self.wakes = 0
        self.board = Board(lambda _: None)
        self.neighbours = Neighbours(zone)
        self.links = Links(self._connect, times, updated=self._updated, broken=self._broken)
        self.interest = Interest(
            zone,
            self.board,
            self.neighbours,
            self.links,
            self.directory,
            self.shelf,
            limits=limits,
            times=times,
            rng=random.Random(1),
        )
        self.exchange = PeerExchange(
            self.me.peer_id,
            self.shelf,
            self.board,
            self.neighbours,
            self.interest,
            self.opener,
            limits=limits,
            times=times,
            rng=random.Random(2),
            suspect=self.suspected.append,
        )
        self.news = News(self.board, self.neighbours, self.links, self.interest, self.exchange)
        self.exchange.attach(self._woken)

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    # ------------------------------------------------------------- the peers

    async def joins(self, *identities: Identity) -> None:
        """Peers join; where something is wanted, their links are up when this returns."""
        self.news.joined(identities)
        await turns()

    async def leaves(self, *identities: Identity) -> None:
        self.news.left(identities)
        await turns()

    def link(self, peer: Identity) -> TwinLink:
        """The present connection to a peer."""
        return next(link for link in reversed(self.links_made) if link.peer == peer)

    def neighbour(self, peer: Identity) -> Neighbour:
        found = self.neighbours.get(peer.peer_id)
        assert found
        return found

    def _connect(self, peer: Identity) -> TwinLink:
        self.links_made.append(TwinLink(peer))
        return self.links_made[-1]

    def _updated(self, neighbour: Neighbour, updates: Sequence[HaveUpdate]) -> None:
        self.news.told(neighbour, updates, self.now)

    def _broken(self, neighbour: Neighbour, error: PeerError | None) -> None:
        self.news.broke(neighbour, error)

    def _woken(self) -> None:
        self.wakes += 1

    # ------------------------------------------------------------ the fetcher

    async def wants(self, want: Want = Want.ALL, key: BlobKey = KEY) -> None:
        """The fetcher demands one blob; links to the peers are up when this returns."""
        self.exchange.demand({key: want})
        await turns()

    def assign(
        self, chunks: ChunkSet = ALL, *, most: int = 99, ordered: bool = False, now: float | None = None
    ) -> list[RemoteChunk]:
        """What to ask of whom for one ask."""
        ask = Ask(BLOB, chunks, Priority.READER, ordered)
        picks = self.exchange.assign([ask], most, self.now if now is None else now)
        assert all(isinstance(pick, RemoteChunk) for pick in picks)
        return picks  # type: ignore[return-value]  # as was just checked

    def origin(self, startable: ChunkSet = ALL, urgent: ChunkSet = 0, *, now: float | None = None) -> ChunkSet:
        return self.exchange.origin(BLOB, startable, urgent, self.now if now is None else now)

    def ended(self, chunk: RemoteChunk, error: Exception | None = None, seconds: float = 0.01) -> None:
        """A request is over, the way the fetcher reports it."""
        nbytes = 0 if error else len(KEY.chunk_range(chunk.chunk))
        self.exchange.ended(chunk, error, nbytes, seconds)


@contextlib.asynccontextmanager
async def node(
    *peers: Identity, limits: PeerLimits | None = None, times: PeerTimes = PATIENT, zone: str = ""
) -> AsyncIterator[Node]:
    """A node whose peers are `peers`; afterwards nothing of it runs and nothing is lent."""
    one = Node(limits=limits or PeerLimits(), times=times, zone=zone)
    one.neighbours.joined(peers)
    try:
        yield one
    finally:
        await one.interest.aclose()
        await one.links.aclose()
    assert all(link.closed for link in one.links_made), "a link was left open"
    assert one.shelf.lent == 0, "a blob was not given back"
    assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left behind"


async def turns(count: int = 10) -> None:
    """Let everything happen that needs no outside: some turns of the loop."""
    for _ in range(count):
        await asyncio.sleep(0)


def owned_by(owner: Identity, *nodes: Identity) -> ChunkSet:
    """The chunks of `BLOB` that are the duty of `owner` among `nodes`."""
    return duty(owner.peer_id, [node.peer_id for node in nodes], BLOB, COUNT).first


def chunks_of(picks: Sequence[RemoteChunk]) -> ChunkSet:
    return bitset.of(pick.chunk for pick in picks)
