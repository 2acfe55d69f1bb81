"""What the store says of its blobs and tiers."""

from __future__ import annotations

from cachefs.errors import TierUnavailable
from cachefs.store.catalog import Catalog, Entry
from cachefs.store.tier import Tier
from cachefs.store.values import BlobStatus, TierStatistics


def blob_status(entry: Entry, tier: Tier) -> BlobStatus:
    """One blob now. The store's lock is held."""
    if entry.blob:
        entry.note(entry.blob)
    return BlobStatus(
        blob_id=entry.blob_id,
        key=entry.key,
        tier=tier.path,
        resident_bytes=entry.resident_bytes,
        allocated_bytes=entry.allocated_bytes,
        sealed=entry.sealed,
        references=entry.references,
        pinned=bool(entry.holders),
        last_used=entry.last_used,
    )


def tier_statistics(tier: Tier, number: int, catalog: Catalog) -> TierStatistics:
    """One tier now. The store's lock is held."""
    account = catalog.accounts[number]
    return TierStatistics(
        path=tier.path,
        capacity_bytes=tier.settings.capacity_bytes,
        used_bytes=account.used,
        reserved_bytes=account.reserved,
        free_bytes=_free_bytes(tier),
        blobs=sum(entry.tier == number for entry in catalog),
        faults=tier.faults,
        trouble=tier.health.trouble,
    )


def _free_bytes(tier: Tier) -> int:
    try:
        return tier.free_bytes()
    except TierUnavailable:
        return 0
