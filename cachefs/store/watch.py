"""Looks at tiers from time to time: takes one up again that vanished and came back, and says what fails and what works.

A tier that vanishes (unmounted, removed) is let go, so that its file system can really end: the blobs in it that nobody
has open are forgotten, and those that are open serve their readers to the end. When something is mounted there again it
is taken up like a directory at the start, with whatever blobs it holds.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from cachefs.errors import StoreError
from cachefs.store.catalog import Catalog
from cachefs.store.tier import Tier
from cachefs.store.values import TierSettings

log = logging.getLogger(__name__)

Prepare = Callable[[TierSettings], object]
"""Mounts the file system of a tier that has one of its own, if it can: the tier is looked at afterwards."""


def mount_nothing(settings: TierSettings) -> None:
    """The `Prepare` of a store whose tiers' file systems are somebody else's."""


class TierWatch:
    """Belongs to one store and shares its lock. `look` is called by one thread at a time."""

    def __init__(
        self, lock: threading.Lock, catalog: Catalog, tiers: Sequence[Tier], take_up: Callable[[int, Tier], None]
    ) -> None:
        """`take_up` adds the blobs of a tier that are not in the catalog; it takes the lock."""
        self._lock = lock
        self._catalog = catalog
        self._tiers = tiers
        self._take_up = take_up

    def look(self, prepare: Prepare) -> None:
        """Look at every tier once. Blocks: a tier that hangs keeps those behind it waiting."""
        for number, tier in enumerate(self._tiers):
            self._look_at(number, tier, prepare)

    def _look_at(self, number: int, tier: Tier, prepare: Prepare) -> None:
        before, finding = tier.health, tier.examine()
        if finding.gone:
            self._forget(number)
            tier.let_go()
            tier.note(finding)
            if not self._retaken(tier, prepare):
                return
            finding = tier.examine()
        health = tier.note(finding)
        if not health.trouble and (before.trouble or tier.overlooked):
            tier.overlooked = False
            self._take_up(number, tier)

    def _forget(self, number: int) -> None:
        with self._lock:
            for entry in [entry for entry in self._catalog if entry.tier == number]:
                if entry.references:
                    entry.orphaned = True
                else:
                    self._catalog.forget(entry)

    def _retaken(self, tier: Tier, prepare: Prepare) -> bool:
        try:
            return tier.retake(prepare)
        except (StoreError, OSError) as error:
            log.debug("tier %s: not taken up: %s", tier.path, error)  # the trouble is known; this happens every second
            return False
