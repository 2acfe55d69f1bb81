"""SIGKILL at each named point of the store's work: what the runs after it find is right, and counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cachefs.store import ChunkState, Store
from cachefs.store.oscalls import LABELS, Step
from tests.fault.killed_writer import DATA, KEPT, ROTTEN, VICTIM, open_tiers
from tests.unit.store.world import occupied_bytes, put

AFTER_FAULTS = {Step.PROBE.label, Step.DISOWN.label}
"""What a store does only when another step failed: those two fail in test_store_steps and test_tier_watch."""
POINTS = sorted(LABELS - AFTER_FAULTS)
BOOT_AFTER = {0: "2", 1: "3", 4: "3"}
"""How many calls pass before the kill, and the boot of the run after it: the victim's own, or another one."""


def assert_counted(store: Store) -> None:
    for tier in store.statistics().tiers:
        assert (tier.used_bytes, tier.reserved_bytes) == (occupied_bytes(tier.path), 0)
        assert tier.used_bytes <= tier.capacity_bytes


def assert_right_and_counted(store: Store) -> None:
    """Nothing PRESENT or verified is wrong; each object can be cached; what is used is what is there."""
    for info in (KEPT, VICTIM, ROTTEN):
        blob = store.acquire(info)
        for chunk in range(3):
            span = blob.key.chunk_range(chunk)
            blob.check(chunk)
            if blob.state(chunk) is ChunkState.PRESENT:
                assert os.pread(blob.fd, len(span), span.start) == DATA[span.start : span.stop]
            else:
                put(blob, chunk, DATA)
        assert blob.sealed
        blob.release()
    assert_counted(store)


@pytest.mark.parametrize("label", POINTS)
def test_what_was_killed_there_is_taken_up_right(tmp_path: Path, label: str) -> None:
    command = [sys.executable, "-m", "tests.fault.killed_writer", str(tmp_path), label, *map(str, BOOT_AFTER)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    statuses = [int(word) for word in answer.split()]
    assert statuses[0] == signal.SIGKILL
    assert set(statuses) <= {0, signal.SIGKILL}
    for skip, boot in BOOT_AFTER.items():
        store = open_tiers(tmp_path / str(skip) / "tiers", boot)
        assert_counted(store)
        assert_right_and_counted(store)
        store.close()
