"""Which nodes hold or want a blob, so that not every node has to ask every other one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from cachefs.sharing import Want
from cachefs.types import BlobId
from peer.values import PeerId


class Directory(Protocol):
    """Who is in the swarm of a blob, as far as somebody said. Of one loop. No method raises when a service is gone."""

    async def publish(self, wants: Mapping[BlobId, Want]) -> None:
        """Say what this node holds or wants: the whole set, which replaces the one before.

        NONE means that it only holds the blob (or some chunks of it). It stays published, refreshed by the directory
        itself, until `aclose` or until this process dies; then it is gone within 3 s.
        """
        ...

    async def swarm(self, blob: BlobId) -> Mapping[PeerId, Want]:
        """The other nodes worth asking about `blob`, and how much of it they want. May name too many, or dead ones."""
        ...

    async def aclose(self) -> None:
        """Take back what was published, and end. Takes at most about two seconds. Idempotent."""
        ...


class EveryoneDirectory:
    """No directory: everybody may have everything, so everybody is asked. Right for fleets of up to about a hundred."""

    def __init__(self, members: Callable[[], Collection[PeerId]]) -> None:
        self._members = members

    async def publish(self, wants: Mapping[BlobId, Want]) -> None:
        """Nobody to tell: each node asks this one itself."""

    async def swarm(self, blob: BlobId) -> Mapping[PeerId, Want]:  # noqa: ARG002 all blobs alike
        """Every member; NONE, because nothing is known of what they want."""
        return dict.fromkeys(self._members(), Want.NONE)

    async def aclose(self) -> None:
        """Nothing to take back."""
