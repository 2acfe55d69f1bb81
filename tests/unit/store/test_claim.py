"""Which directories may be tiers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cachefs.errors import InvalidTier
from cachefs.store import Store, TierSettings
from tests.unit.store.world import CHUNK_BYTES, ROOMY, open_store


def refused(*tiers: TierSettings) -> InvalidTier:
    with pytest.raises(InvalidTier) as caught:
        Store(tiers, chunk_bytes=CHUNK_BYTES)
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize(("capacity", "min_free"), [(0, 0), (-1, 0), (100, -1)])
def test_a_capacity_must_mean_something(tmp_path: Path, capacity: int, min_free: int) -> None:
    assert f"capacity {capacity} and min_free {min_free}" in str(refused(TierSettings(tmp_path, capacity, min_free)))


def test_a_tier_cannot_be_larger_than_its_file_system(tmp_path: Path) -> None:
    status = os.statvfs(tmp_path)
    size = status.f_blocks * status.f_frsize
    assert f"more than its file system of {size} bytes" in str(refused(TierSettings(tmp_path, size, 1)))


def test_a_path_that_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be used as a tier" in str(refused(TierSettings(tmp_path / "file" / "tier", ROOMY)))


def test_a_file_system_that_nobody_may_write_to() -> None:
    assert "cannot be used as a tier" in str(refused(TierSettings(Path("/proc/mows-tier"), ROOMY)))


@pytest.mark.parametrize(("first", "second"), [("t", "t"), ("t", "t/inner"), ("t/inner", "t"), ("t", "link")])
def test_tiers_do_not_overlap(tmp_path: Path, first: str, second: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "t")
    message = str(refused(TierSettings(tmp_path / first, ROOMY), TierSettings(tmp_path / second, ROOMY)))
    assert "overlaps with another tier" in message


def test_a_tier_belongs_to_one_store_at_a_time(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert "in use by another process" in str(refused(TierSettings(tmp_path, ROOMY)))
    store.close()
    open_store(tmp_path).close()


def test_a_store_that_cannot_have_all_tiers_holds_none(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "FORMAT").write_text("something else")
    with pytest.raises(InvalidTier):
        open_store(tmp_path / "a", tmp_path / "b")
    open_store(tmp_path / "a").close()
