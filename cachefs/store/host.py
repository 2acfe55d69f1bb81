"""What a blob needs of the store it belongs to."""

from __future__ import annotations

from typing import Protocol

from cachefs.types import BlobId


class BlobHost(Protocol):
    """Never called with the blob's lock held, except `turn`."""

    def turn(self) -> int:
        """The number of the next use of a chunk, in the order of all uses. Any thread, whatever lock it holds."""
        ...

    def reserve(self, blob_id: BlobId, need_bytes: int) -> None:
        """Take a reference and `need_bytes` of room. Raises NoSpace or TierUnavailable, and then has taken neither."""
        ...

    def settle(self, blob_id: BlobId, reserved_bytes: int) -> None:
        """Give both back; what was written counts as used from here on."""
        ...

    def release(self, blob_id: BlobId) -> None:
        """Give a reference back."""
        ...
