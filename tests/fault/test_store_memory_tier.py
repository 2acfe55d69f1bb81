"""A memory tier's own tmpfs with huge pages: made, kept, resized, taken back, left alone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.origin.memory import MemoryOrigin
from cachefs.store import Store, TierSettings, file_system_of, give_huge_pages, host_takes_free_pages, take_back
from cachefs.store.memory_tier import SLACK_BYTES

CHUNK = 2 << 20
CAPACITY = 64 << 20


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of the test's own, and no mount left on it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "test", str(tmp_path)], check=True)
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", "-R", str(tmp_path)], check=True)


def size_of(path: Path) -> int:
    space = os.statvfs(path)
    return space.f_blocks * space.f_frsize


def options_of(path: Path) -> str:
    return next(
        line.split()[3] for line in Path("/proc/self/mounts").read_text().splitlines() if line.split()[1] == str(path)
    )


def test_a_new_tier_on_tmpfs_gets_one_that_a_store_works_on(memory: Path) -> None:
    tier = memory / "a" / "tier"
    assert give_huge_pages(tier, CAPACITY, CHUNK)
    assert "huge=within_size" in options_of(tier)
    info = MemoryOrigin().put("k", os.urandom(2 * CHUNK))
    store = Store([TierSettings(tier, CAPACITY)], chunk_bytes=CHUNK)
    blob = store.acquire(info)
    writer = blob.write(0)
    writer.write(bytes(CHUNK))
    writer.commit()
    assert store.statistics().tiers[0].used_bytes < CHUNK + (1 << 20)
    blob.release()
    store.close()


def test_it_outlives_the_daemon_and_follows_the_capacity(memory: Path) -> None:
    tier = memory / "tier"
    assert give_huge_pages(tier, CAPACITY, CHUNK)
    (tier / "kept").write_bytes(b"blob")
    assert give_huge_pages(tier, 2 * CAPACITY, CHUNK)
    assert size_of(tier) == 2 * CAPACITY + SLACK_BYTES
    assert (tier / "kept").read_bytes() == b"blob"


def test_take_back_gives_back_only_what_is_ours(memory: Path) -> None:
    tier = memory / "tier"
    give_huge_pages(tier, CAPACITY, CHUNK)
    take_back(tier)
    assert not tier.is_mount()
    take_back(tier)
    take_back(memory)
    assert memory.is_mount()


@pytest.mark.parametrize("name", ["with blank", "größe", "back\\slash", "tab\there"])
def test_a_path_that_the_kernel_writes_with_escapes_is_known_again(memory: Path, name: str) -> None:
    tier = memory / name
    assert give_huge_pages(tier, CAPACITY, CHUNK)
    assert give_huge_pages(tier, 2 * CAPACITY, CHUNK)
    assert size_of(tier) == 2 * CAPACITY + SLACK_BYTES
    assert file_system_of(tier) == "tmpfs"
    take_back(tier)
    assert not tier.is_mount()


def test_a_tier_in_use_keeps_its_blobs(memory: Path) -> None:
    (memory / "tier").mkdir()
    (memory / "tier" / "FORMAT").write_text("1")
    assert not give_huge_pages(memory / "tier", CAPACITY, CHUNK)
    assert (memory / "tier" / "FORMAT").exists()


@pytest.mark.parametrize(("capacity", "chunk"), [(CAPACITY, 512 << 10), (1 << 30, CHUNK)])
def test_small_chunks_and_a_tmpfs_that_is_too_small_get_none(memory: Path, capacity: int, chunk: int) -> None:
    assert not give_huge_pages(memory / "tier", capacity, chunk)
    assert not (memory / "tier").exists()


@pytest.mark.parametrize(
    ("device", "features", "expected"),
    [("0x0005", "0110010100", True), ("0x0005", "0110000100", False), ("0x0001", "1111111111", False)],
)
def test_a_balloon_that_reports_free_pages_is_seen(tmp_path: Path, device: str, features: str, expected: bool) -> None:
    (tmp_path / "virtio0").mkdir()
    (tmp_path / "virtio0" / "device").write_text(f"{device}\n")
    (tmp_path / "virtio0" / "features").write_text(f"{features}\n")
    assert host_takes_free_pages(tmp_path) is expected


def test_a_machine_without_virtio_reports_nothing(tmp_path: Path) -> None:
    assert not host_takes_free_pages(tmp_path / "missing")


def test_a_tier_on_disk_gets_none(tmp_path: Path) -> None:
    assert not give_huge_pages(tmp_path / "tier", CAPACITY, CHUNK)


def test_where_mounting_fails_the_tier_works_without(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(memory))
    assert not give_huge_pages(memory / "tier", CAPACITY, CHUNK)
    monkeypatch.undo()
    Store([TierSettings(memory / "tier", CAPACITY)], chunk_bytes=CHUNK).close()
