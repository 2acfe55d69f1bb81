"""The seam between this node's cache and other nodes: what each side needs of the other. Nothing here does anything.

Sets of chunks are bitsets: Python integers in which bit n stands for chunk n. Union, difference and count are then one
call into C each, whatever the size of the blob, and a bitset of 140 GB in 8 MiB chunks is 2 KB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from cachefs.types import BlobId, BlobKey, Deadline, Priority

ChunkSet = int
"""A bitset of chunks of one blob."""


class LentBlob(Protocol):
    """A blob of this node's store while somebody outside reads from it: it is not evicted. Any thread."""

    key: BlobKey

    @property
    def fd(self) -> int:
        """The data file, for reads with explicit offsets. Valid until `release`."""
        ...

    @property
    def have(self) -> ChunkSet:
        """The chunks whose bytes are here and verified."""
        ...

    def held(self, chunk: int) -> AbstractContextManager[None]:
        """Until the block ends, the bytes of the chunk stay if they are here. Quick.

        Whoever reads them does it in such a block, and asks for the `digest` in it.
        """
        ...

    def digest(self, chunk: int) -> bytes | None:
        """The xxh3-128 (16 bytes) the chunk was published with; None when it is not here (any more)."""
        ...

    def release(self) -> None:
        """Give it back. Exactly once."""
        ...


class Lender(Protocol):
    """What of the store the peers see."""

    def lend(self, blob_id: BlobId) -> LentBlob | None:
        """The blob with one more reference; None when it is not here or cannot be read. Touches files. Any thread."""
        ...

    def blob_ids(self) -> Sequence[BlobId]:
        """All blobs of which something may be here. Quick. Any thread."""
        ...

    def whole(self, blob_ids: Sequence[BlobId]) -> Sequence[BlobId]:
        """Those of `blob_ids` of which everything is here. Quick, and no use of them. Any thread."""
        ...


class ChunkStream(Protocol):
    """The bytes of one chunk as they come from a peer. For one fill thread, except `cancel`."""

    digest: bytes
    """The xxh3-128 (16 bytes) that the peer's index has for the chunk: whoever takes the bytes compares."""

    def __iter__(self) -> Iterator[memoryview]:
        """Consecutive pieces of 1 to `PIECE_BYTES`, each valid until the next is asked for. Raises PeerError."""
        ...

    def close(self) -> None:
        """Done, early or not. Idempotent."""
        ...

    def cancel(self) -> None:
        """From any thread, any number of times: the thread that waits for bytes fails at once with PeerUnavailable."""
        ...


class PeerChunk(Protocol):
    """One chunk, to be had from one peer. What `Exchange.assign` gives out; a fill thread calls `open`."""

    blob: BlobId
    chunk: int
    peer: str
    """Whom it is asked of, for logs."""

    def open(self, deadline: Deadline) -> ChunkStream:
        """Ask for it. Blocks until the peer's answer begins. Raises PeerError (PeerBusy, PeerLacks, ...)."""
        ...


@dataclass(frozen=True, slots=True)
class Ask:
    """Somebody on this node wants some chunks that could be started now."""

    blob: BlobId
    chunks: ChunkSet
    priority: Priority
    ordered: bool
    """Whether the lowest is wanted first. Otherwise any of them serves as well as any other."""


class Want(Enum):
    """How much of a blob this node will want, as far as it knows."""

    NONE = 0
    PART = 1
    """Single chunks, as a reader asks for them."""
    ALL = 2


class Exchange(Protocol):
    """Other nodes' chunks, and the origin's as they share it, as the fetcher sees them.

    Everything happens on the loop, unless a method says otherwise, and nothing blocks. A node without peers has none.
    """

    def attach(self, wake: Callable[[], None]) -> None:
        """Call `wake`, on the loop, whenever `assign` or `origin` may answer more than they did."""
        ...

    def demand(self, wants: Mapping[BlobKey, Want]) -> None:
        """The blobs that miss chunks which this node wants, from now on. Those not named are wanted no more.

        Begins a round: `assign` and `origin` reckon with what they gave out since.
        """
        ...

    def assign(self, asks: Sequence[Ask], most: int, now: float) -> list[PeerChunk]:
        """What to ask of which peer now, for asks in order of urgency: at most `most` chunks.

        The caller starts all of them, and reports each with `ended`. No chunk is given out twice.
        """
        ...

    def origin(self, blob: BlobId, startable: ChunkSet, urgent: ChunkSet, now: float) -> ChunkSet:
        """Those of `startable` that this node may ask the origin for now; readers wait for `urgent` ones."""
        ...

    def origin_started(self, blob: BlobId, chunks: range) -> None:
        """A request for `chunks` goes to the origin."""
        ...

    def origin_ended(self, blob: BlobId, chunks: range, landed: range, seconds: float) -> None:
        """It brought `landed`, after `seconds`."""
        ...

    def ended(self, chunk: PeerChunk, error: Exception | None, nbytes: int, seconds: float) -> None:
        """What was assigned landed after `seconds`, or failed with `error`. Interrupted: it was called off."""
        ...

    def late(self, most: int, now: float) -> list[PeerChunk]:
        """Assigned chunks that take so long that they should be asked of another peer as well, at most `most`.

        Each is named once, as the other peer's, and is reported with `ended` like an assigned one.
        """
        ...

    def landed(self, blob: BlobId, chunk: int) -> None:
        """A chunk was published in the store, from whatever source: others may have it. Any thread."""
        ...

    def lost(self, blob: BlobId) -> None:
        """Chunks that were published turned out to be wrong and are gone: look again what is here."""
        ...

    def next_change(self, now: float) -> float | None:
        """When `assign`, `origin` or `late` will answer more than now, by the passing of time alone."""
        ...
