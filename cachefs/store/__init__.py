"""Blobs on disk and in memory: sparse files, their index, tiers, accounting, eviction.

Knows nothing of origins, FUSE or networks. Every failure is a `StoreError`, and for a reader only a miss.
"""

from cachefs.store.blob import Blob
from cachefs.store.demoter import Demoter
from cachefs.store.file_systems import file_system_of, nearest_existing
from cachefs.store.memory_tier import give_huge_pages, host_takes_free_pages, take_back
from cachefs.store.store import Store
from cachefs.store.values import BlobStatus, ChunkState, StoreStatistics, TierSettings, TierStatistics
from cachefs.store.writer import ChunkWriter, WrittenAlready

__all__ = [
    "Blob",
    "BlobStatus",
    "ChunkState",
    "ChunkWriter",
    "Demoter",
    "Store",
    "StoreStatistics",
    "TierSettings",
    "TierStatistics",
    "WrittenAlready",
    "file_system_of",
    "give_huge_pages",
    "host_takes_free_pages",
    "nearest_existing",
    "take_back",
]
