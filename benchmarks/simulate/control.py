"""Control messages: how many a node sends, and how many bytes they are.

Sizes are those of the real messages: each is built from the generated code of `peer.proto` with the fields filled as
the daemon fills them, and measured. On top comes what carries it: 5 bytes of gRPC and 9 of HTTP/2 before each message,
66 of Ethernet, IP and TCP for the segment. Acknowledgements are not counted. Readers' `Locate` calls do not occur: in
the scenarios nobody reads.

A simulated chunk stands for `real_per_chunk` real ones: what is sent once per chunk counts so often, and sets of chunks
are as large as the real ones.
"""

from __future__ import annotations

from collections import Counter

from peer.peer_pb2 import (
    Chunks,
    FetchHead,
    Follow,
    FollowRequest,
    HaveBatch,
    HaveUpdate,
    Want,
)

FRAMING_BYTES = 5 + 9 + 66
LANE_BYTES = 66
"""What carries a frame of the bulk lane."""
BLOB = bytes(16)
VARINT_BYTES = 3
"""A chunk number between 16,384 and 2 million."""


def set_bytes(members: int, chunk_count: int) -> int:
    """A message of a set of so many members: the bitmap or the numbers, whichever is shorter."""
    return Chunks(bitmap=bytes(min((chunk_count + 7) // 8, members * VARINT_BYTES))).ByteSize()


def update_bytes(have: int, fetching: int, chunk_count: int) -> int:
    """An announcement of so many new chunks, and of so many on their way from the origin."""
    plain = HaveUpdate(blob=BLOB, chunk_count=chunk_count, want=Want.WANT_ALL)
    batch = HaveBatch(updates=[plain]).ByteSize()
    return FRAMING_BYTES + batch + set_bytes(have, chunk_count) + set_bytes(fetching, chunk_count) + 4


def heartbeat_bytes() -> int:
    """The empty batch that says that a node lives."""
    return FRAMING_BYTES + HaveBatch().ByteSize()


def follow_bytes() -> int:
    """A request to be told about one blob."""
    return FRAMING_BYTES + FollowRequest(follow=[Follow(blob=BLOB, want=Want.WANT_ALL)]).ByteSize()


def request_bytes() -> int:
    """A request for a chunk over the bulk lane, and the head of the answer: blob, number; digest, size."""
    return 2 * LANE_BYTES + len(BLOB) + 8 + FetchHead(digest=bytes(16), size=8 << 20).ByteSize()


def busy_bytes() -> int:
    """A request that was turned away: asked for, and answered in a few bytes."""
    return 2 * LANE_BYTES + len(BLOB) + 8 + 4


class Ledger:
    """Messages counted by kind."""

    def __init__(self, real_per_chunk: float) -> None:
        self.counts: Counter[str] = Counter()
        self.nbytes: Counter[str] = Counter()
        self._real_per_chunk = real_per_chunk
        self._updates: dict[tuple[int, ...], int] = {}
        self._request = request_bytes()
        self._busy = busy_bytes()

    def announced(self, have: int, fetching: int, chunk_count: int) -> None:
        """One node was told of so many simulated chunks of a file that has `chunk_count`."""
        self.counts["announce"] += 1
        self.nbytes["announce"] += self._update(have, fetching, chunk_count)

    def followed(self, peers: int) -> None:
        """A node asked so many others to tell it what they have."""
        self.counts["follow"] += peers
        self.nbytes["follow"] += peers * follow_bytes()

    def requested(self) -> None:
        """A simulated chunk was asked for and given."""
        self.counts["request"] += 1
        self.nbytes["request"] += self._request

    def turned_away(self) -> None:
        """A simulated chunk was asked for and refused."""
        self.counts["busy"] += 1
        self.nbytes["busy"] += self._busy

    def lived(self, streams: int, seconds: float) -> None:
        """So many streams of announcements carried a sign of life each second."""
        self.counts["heartbeat"] += int(streams * seconds)
        self.nbytes["heartbeat"] += int(streams * seconds) * heartbeat_bytes()

    def totals(self) -> tuple[dict[str, int], dict[str, int]]:
        """Messages and bytes by kind, those per chunk multiplied to real chunks."""
        factors = {"request": self._real_per_chunk, "busy": self._real_per_chunk}
        counts = {kind: int(count * factors.get(kind, 1)) for kind, count in self.counts.items()}
        return counts, {kind: int(nbytes * factors.get(kind, 1)) for kind, nbytes in self.nbytes.items()}

    def _update(self, *members: int) -> int:
        if members not in self._updates:
            have, fetching, chunk_count = (int(number * self._real_per_chunk) for number in members)
            self._updates[members] = update_bytes(have, fetching, chunk_count)
        return self._updates[members]
