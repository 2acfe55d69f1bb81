"""A life of a store that meets every step, run in children that are killed at one of them.

``python -m tests.fault.killed_writer BASE LABEL SKIP...`` forks one child per SKIP; it works in ``BASE/SKIP`` and is
killed when LABEL is met for the SKIP-th time. Prints each child's wait status, separated by blanks.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from cachefs.faults import PlannedFaults
from cachefs.store import ChunkState, Store
from cachefs.store.oscalls import Calls, FaultyCalls
from tests.fired import journal
from tests.unit.store.world import CHUNK_BYTES, content, described_with_crc, open_store, put

DATA = content(3 * CHUNK_BYTES)
KEPT, VICTIM, ROTTEN = (described_with_crc(name, DATA) for name in ("kept", "victim", "rotten"))


CAPACITY_BYTES = 216 << 10
"""Of each tier: what three objects leave of the first is less than a quarter, so that one moves to the second."""


def open_tiers(root: Path, boot: str, calls: Calls | None = None) -> Store:
    """The store below `root`."""
    return open_store(root / "first", root / "second", capacity_bytes=CAPACITY_BYTES, calls=calls, boot_id=boot)


def live(root: Path, calls: Calls) -> None:
    """Create, write, verify, move, evict; then once more after a reboot."""
    for boot in ("1", "2"):
        store = open_tiers(root, boot, calls)
        for info in (KEPT, VICTIM, ROTTEN):
            blob = store.acquire(info)
            for chunk in range(3):
                blob.verify(chunk)
                if blob.state(chunk) is not ChunkState.PRESENT:
                    put(blob, chunk, DATA)
            if info is ROTTEN:
                os.pwrite(blob.fd, b"rot", 5)
                blob.check(0)
            blob.release()
        store.demote()
        _evict(store)
        store.close()


def _evict(store: Store) -> None:
    status = store.find(VICTIM)
    assert status is not None
    assert store.evict(status.blob_id)


def _killed(base: Path, label: str, skip: int) -> int:
    base.mkdir()
    plan = base / "plan"
    plan.write_text(json.dumps({"faults": [{"label": label, "kind": "kill", "skip": skip}]}))
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    live(base / "tiers", FaultyCalls(PlannedFaults(plan, fired=journal())))
    os._exit(0)


if __name__ == "__main__":
    where, what, *skips = sys.argv[1:]
    print(*(_killed(Path(where) / skip, what, int(skip)) for skip in skips))  # noqa: T201 the answer
