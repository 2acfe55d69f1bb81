"""Where a blob goes and which blobs go for it: pure functions over numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cachefs.store.values import TierSettings
from cachefs.types import BlobId

ALIKE_SECONDS = 60.0
"""Blobs used within the same minute are equally cold: the shards of one model are, and a restart makes them so."""

BLOCK_BYTES = 4096
"""What tmpfs, ext4 and xfs allocate in, by default."""


@dataclass(frozen=True, slots=True)
class TierRoom:
    """What a tier could take."""

    capacity_bytes: int
    room_bytes: int
    """Without evicting anything and without what open blobs still want; negative when those want too much."""
    evictable_bytes: int
    now_bytes: int = 0
    """Without evicting anything, whatever open blobs still want."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A blob that may be evicted: not open, not pinned."""

    blob_id: BlobId
    allocated_bytes: int
    last_used: float
    copies: int = 0
    """Other nodes that have it; 0 where nobody knows."""


def blocks(size_bytes: int) -> int:
    """`size_bytes` rounded up to whole blocks."""
    return -(-size_bytes // BLOCK_BYTES) * BLOCK_BYTES


def headroom(settings: TierSettings, taken_bytes: int, free_bytes: int, reserved_on_device_bytes: int) -> int:
    """Bytes that may still be reserved in a tier; negative when it is over its cap or its floor.

    `taken_bytes` are the tier's used and reserved bytes. Reservations count against the floor of the file system too,
    for all tiers on it: they are not written yet, so that `free_bytes` does not know of them.
    """
    below_cap = settings.capacity_bytes - taken_bytes
    above_floor = free_bytes - settings.min_free_bytes - reserved_on_device_bytes
    return min(below_cap, above_floor)


def preference(need_bytes: int, rooms: Sequence[TierRoom]) -> list[int]:
    """Indices of the tiers to try for a blob of `need_bytes`, best first.

    The order of `rooms` is the configuration's: memory first. A tier that has the room now comes before one that has it
    after an eviction. Then come those that can hold a part of it only, chunk by chunk, the one that holds most first.
    """

    def rank(room: TierRoom) -> tuple[int, int]:
        obtainable_bytes = room.room_bytes + room.evictable_bytes
        if need_bytes <= min(room.room_bytes, room.capacity_bytes):
            return 0, 0
        if need_bytes <= min(obtainable_bytes, room.capacity_bytes):
            return 1, 0
        return 2, -max(0, obtainable_bytes)

    return sorted(range(len(rooms)), key=lambda index: rank(rooms[index]))


def choose_victims(candidates: Iterable[Candidate], need_bytes: int) -> list[BlobId]:
    """The coldest blobs that together free `need_bytes`; all when that is not enough.

    Among those last used within the same `ALIKE_SECONDS` the one with most copies goes first, so that the last copy in
    the swarm is kept longest.
    """

    def coldness(candidate: Candidate) -> tuple[float, int, float]:
        return candidate.last_used // ALIKE_SECONDS, -candidate.copies, candidate.last_used

    victims: list[BlobId] = []
    for candidate in sorted(candidates, key=coldness):
        if need_bytes <= 0:
            break
        victims.append(candidate.blob_id)
        need_bytes -= candidate.allocated_bytes
    return victims


def footprint_bytes(index_bytes: int) -> int:
    """Blocks of a blob without data: its index, meta.json, its directory, and a new directory above it."""
    return blocks(index_bytes) + 3 * BLOCK_BYTES
