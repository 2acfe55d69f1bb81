"""The chaos run's memory tier: a file system that vanishes, and comes back empty."""

from __future__ import annotations

from pathlib import Path

from benchmarks.chaos.vanishing import MemoryTier
from benchmarks.node.scratch import mounts_below


def test_a_tier_vanishes_for_whoever_looks_and_stays_for_whoever_has_it_open(tmp_path: Path) -> None:
    tier = MemoryTier(tmp_path / "memory", 1 << 20)
    tier.appear()
    tier.path.mkdir()
    with open(tier.path / "file", "wb+", buffering=0) as file:
        tier.vanish()
        assert not tier.path.exists()
        assert file.write(b"still here") == 10
    tier.appear()
    assert list(tier.path.parent.iterdir()) == []
    tier.vanish()
    tier.vanish()
    assert mounts_below(tmp_path) == []
