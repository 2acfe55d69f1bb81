"""What the store is told, and what it says about itself. Immutable."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from cachefs.types import BlobId, BlobKey


class ChunkState(IntEnum):
    """What may be done with the bytes of one chunk. The values are those of the index file."""

    MISSING = 0
    """Not here, or not to be trusted: fetch it."""
    PRESENT = 1
    """Here, with the hash beside it."""
    SUSPECT = 2
    """Written under another boot of this machine, perhaps not wholly: verify before the first use."""


@dataclass(frozen=True, slots=True)
class TierSettings:
    """One directory that holds blobs."""

    path: Path
    """A tmpfs directory (memory) or one on ext4 or xfs (disk). Created when it does not exist."""
    capacity_bytes: int
    """The most that all blobs together may occupy, in allocated blocks."""
    min_free_bytes: int = 0
    """What stays free on the file system, whoever fills it."""
    own_file_system: bool = False
    """Whether this program mounted the directory's file system, and so mounts it again when it has vanished."""


@dataclass(frozen=True, slots=True)
class BlobStatus:
    """One blob as it is at one moment."""

    blob_id: BlobId
    key: BlobKey
    tier: Path
    resident_bytes: int
    """Bytes in chunks that are PRESENT."""
    allocated_bytes: int
    """Blocks that its files occupy."""
    sealed: bool
    references: int
    pinned: bool
    last_used: float
    """Unix time of the last acquire or release."""


@dataclass(frozen=True, slots=True)
class TierStatistics:
    """One tier as it is at one moment."""

    path: Path
    capacity_bytes: int
    used_bytes: int
    """Allocated blocks of all blobs."""
    reserved_bytes: int
    """Room promised to chunks that are being written."""
    free_bytes: int
    """Free space of the file system; 0 when it cannot be asked."""
    blobs: int
    faults: int
    """System calls that failed since the start."""
    trouble: str = ""
    """Why it takes no bytes now; empty while it does."""


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """The whole store. Counters run since the start of the process."""

    tiers: tuple[TierStatistics, ...]
    evictions: int
    evicted_bytes: int
    evicted_chunks: int
    """Chunks that blobs in use gave up, because nothing cold was left."""
    corrupt_chunks: int
    """Chunks whose bytes did not have their hash."""
    corrupt_blobs: int
    """Blobs whose chunks together did not have the CRC-64 the origin gave."""
    dropped_blobs: int
    """Directories that were half deleted or damaged, and were removed as a miss."""
    no_space: int
    """Requests for room that no eviction could satisfy."""
    verified_bytes: int = 0
    """Bytes that were here and were compared with their hash, right or wrong."""
    demotions: int = 0
    """Blobs that were moved to a later tier, to make room in an earlier one."""
    demoted_bytes: int = 0
    """Blocks that those blobs freed in the earlier one."""
