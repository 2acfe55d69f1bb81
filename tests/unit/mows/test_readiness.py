"""What makes a node unready."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.store import StoreStatistics
from mows.errors import NotReady
from mows.readiness import check_ready
from tests.unit.mows.twins import TIER, MemoryCache


def statistics(*troubles: str) -> StoreStatistics:
    """Of a store with one tier per trouble; an empty one is none."""
    store = MemoryCache().statistics()
    return replace(store, tiers=tuple(replace(store.tiers[0], trouble=trouble) for trouble in troubles))


def test_ready() -> None:
    check_ready(lambda: statistics("", ""), fuse_device=Path("/dev/null"))


def test_everything_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotReady) as caught:
        check_ready(lambda: statistics("", "its file system is read-only"), fuse_device=tmp_path / "fuse")
    tier, fuse = f"tier {TIER}: its file system is read-only", f"{tmp_path / 'fuse'}: No such file or directory"
    assert str(caught.value) == f"{tier}; {fuse}"
