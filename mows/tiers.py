"""The cache's directories: opened as the configuration says, and looked after while the daemon runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from cachefs.faults import Faults
from cachefs.store import Store, TierSettings, give_huge_pages, host_takes_free_pages
from cachefs.store.catalog import unknown_copies
from cachefs.store.oscalls import FaultyCalls
from cachefs.types import BlobId
from mows import settings
from mows.config import Config
from mows.threads import to_the_end

LOOK_SECONDS = 1.0
"""How often a tier is looked at: what is noticed late costs misses, and a look a few system calls."""


def open_store(
    config: Config,
    faults: Faults | None = None,
    clock: Callable[[], float] = time.time,
    copies: Callable[[BlobId], int] = unknown_copies,
) -> Store:
    """The store over all tiers; see `Store`. Blocks; raises StoreError. `faults` are what is to go wrong on purpose."""
    tiers = [replace(tier, own_file_system=_mounted(config, tier)) for tier in settings.tier_settings(config)]
    calls = FaultyCalls(faults) if faults else None
    return Store(tiers, chunk_bytes=config.cache.chunk_bytes, calls=calls, clock=clock, copies=copies)


async def look_after(store: Store, config: Config) -> None:
    """Notice tiers that fail and take up those that are back. Until cancelled."""
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await to_the_end(store.look_after_tiers, lambda tier: _mounted(config, tier))


def _mounted(config: Config, tier: TierSettings) -> bool:
    """Whether the tier has a tmpfs of its own now, where the configuration and the machine want that."""
    huge_pages = next(one.huge_pages for one in config.cache.tiers if one.path == tier.path)
    wanted = huge_pages == "on" or (huge_pages == "auto" and not host_takes_free_pages())
    return wanted and give_huge_pages(tier.path, tier.capacity_bytes, config.cache.chunk_bytes)
