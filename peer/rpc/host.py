"""What the service needs of the node it speaks for. The exchange implements it. Nothing here does anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from cachefs.sharing import ChunkSet, Want
from cachefs.types import BlobId
from peer.values import HaveUpdate, Identity, PeerId


class Subscription(Protocol):
    """What one other node follows of this one. Everything happens on the loop, and nothing blocks."""

    changed: asyncio.Event
    """Set when `take` may have something to say. The server clears it before it calls `take`."""

    def follow(self, blob: BlobId, want: Want) -> None:
        """The other node wants so much of `blob`, and to be told what is here of it: everything with the next `take`.

        Again for a blob that is followed: only how much it wants changed, and it is not told everything again.
        """
        ...

    def unfollow(self, blob: BlobId) -> None:
        """Nothing more about `blob`, and the other node wants nothing of it. One that is not followed is no error."""
        ...

    def take(self) -> list[HaveUpdate]:
        """What is new since the last call, at most one update for each blob."""
        ...

    def close(self) -> None:
        """The stream ended: the other node follows and, as far as this one knows, wants nothing any more. Once."""
        ...


class PeerHost(Protocol):
    """The node, as its peers see it. Everything happens on the loop, and nothing blocks."""

    def identity(self) -> Identity:
        """Who this node is, with the address and the port of the lane as they are now."""
        ...

    def introduced(self, caller: Identity) -> str:
        """A node introduced itself. Empty, or why this node cannot reach it under the address it gives."""
        ...

    def subscribe(self, caller: Identity) -> Subscription:
        """A node begins to follow this one. The server closes the subscription when the stream ends."""
        ...

    def locate(self, blob: BlobId, chunks: ChunkSet, urgent: bool) -> tuple[ChunkSet, ChunkSet]:  # noqa: FBT001  # as in the message
        """Those of `chunks` that are here, and those that are on their way from the origin.

        `urgent`: a reader waits for them there, so those that are this node's duty are fetched first.
        """
        ...

    def whole(self, blobs: Sequence[BlobId]) -> Sequence[BlobId]:
        """Those of `blobs` of which everything is here."""
        ...

    def issue_ticket(self, caller: PeerId) -> bytes:
        """What opens one connection to the bulk lane for `caller`, once. Only asked for while there is a lane."""
        ...
