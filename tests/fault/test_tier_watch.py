"""Tiers on real file systems that vanish, come back, fill up and turn read-only under an open store."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import TierUnavailable
from cachefs.store import Blob, Store, TierSettings, TierStatistics
from cachefs.store.health import QUIET_SECONDS
from cachefs.store.oscalls import Step
from tests.unit.store.world import CHUNK_BYTES, FailingCalls, content, described_with_crc, fill, occupied_bytes, put

SIZE = 8 << 20
DATA = content(8 * CHUNK_BYTES)
FIRST, SECOND = described_with_crc("first", DATA), described_with_crc("second", DATA)


def mount(target: Path, *options: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={SIZE}", *options)), "tmpfs", str(target)]
    subprocess.run(command, check=True)


def unmount(target: Path) -> None:
    subprocess.run(["umount", "--lazy", str(target)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, however often a test mounts and unmounts it."""
    target = tmp_path / "disk"
    target.mkdir()
    mount(target)
    yield target
    with contextlib.suppress(subprocess.CalledProcessError):
        unmount(target)


class Clock:
    """Stands still unless a test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(disk: Path, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """Prefers the disk; has another tier behind it."""
    tiers = [TierSettings(disk / "tier", SIZE // 2), TierSettings(tmp_path / "second", SIZE)]
    opened = Store(tiers, chunk_bytes=CHUNK_BYTES, monotonic=clock)
    yield opened
    opened.close()


def first(store: Store) -> TierStatistics:
    return store.statistics().tiers[0]


def levels(caplog: pytest.LogCaptureFixture, tier: Path) -> list[str]:
    """Those of the lines about what the tier's trouble is and when it ended."""
    texts = ("reads go on", "works again")
    return [
        r.levelname for r in caplog.records if str(tier) in r.getMessage() and any(t in r.getMessage() for t in texts)
    ]


def assert_right(blob: Blob) -> None:
    assert os.pread(blob.fd, len(DATA), 0) == DATA


def test_a_tier_that_vanished_is_taken_up_anew(store: Store, disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(store, FIRST, DATA)
    unmount(disk)
    store.look_after_tiers()
    store.look_after_tiers()
    assert "vanished" in first(store).trouble
    assert (first(store).blobs, first(store).used_bytes) == (0, 0)
    fill(store, FIRST, DATA)  # into the other tier
    assert store.statistics().tiers[1].blobs == 1
    assert list(disk.iterdir()) == []
    mount(disk)
    store.look_after_tiers()
    assert first(store).trouble == ""
    fill(store, SECOND, DATA)
    assert first(store).used_bytes == occupied_bytes(disk / "tier") > len(DATA)
    assert levels(caplog, disk) == ["WARNING", "INFO"]


def test_who_meets_it_first_says_so_and_another_tier_takes_the_blob(
    store: Store, disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, FIRST, DATA)
    unmount(disk)
    fill(store, FIRST, DATA)
    assert [tier.blobs for tier in store.statistics().tiers] == [0, 1]
    store.look_after_tiers()
    assert levels(caplog, disk) == ["WARNING"]


def test_who_has_a_blob_open_uses_it_to_the_end(store: Store, disk: Path) -> None:
    fill(store, FIRST, DATA)
    blob = store.acquire(FIRST)
    unmount(disk)
    store.look_after_tiers()
    mount(disk)
    store.look_after_tiers()
    assert_right(blob)
    assert first(store).used_bytes > len(DATA)
    blob.release()
    assert (first(store).used_bytes, first(store).blobs) == (0, 0)
    fill(store, FIRST, DATA)
    assert first(store).used_bytes == occupied_bytes(disk / "tier")


def test_a_file_system_that_is_mounted_again_brings_its_blobs(store: Store, disk: Path, tmp_path: Path) -> None:
    blob_id = fill(store, FIRST, DATA)
    shutil.copytree(disk / "tier", tmp_path / "kept")
    unmount(disk)
    store.look_after_tiers()
    mount(disk)
    shutil.copytree(tmp_path / "kept", disk / "tier")
    store.look_after_tiers()
    assert [(status.blob_id, status.tier) for status in store.blobs()] == [(blob_id, disk / "tier")]
    assert store.verify(blob_id) == []
    assert first(store).used_bytes == occupied_bytes(disk / "tier")


def test_a_file_system_that_is_mounted_after_the_start_is_taken_up(disk: Path) -> None:
    unmount(disk)
    with contextlib.closing(Store([TierSettings(disk / "tier", SIZE // 2)], chunk_bytes=CHUNK_BYTES)) as store:
        fill(store, FIRST, DATA)
        mount(disk)
        store.look_after_tiers()
        assert (first(store).trouble, first(store).blobs) == ("", 0)
        fill(store, SECOND, DATA)
        assert first(store).used_bytes == occupied_bytes(disk / "tier") > len(DATA)


def test_a_pin_protects_a_blob_that_comes_back_with_its_tier(store: Store, disk: Path, tmp_path: Path) -> None:
    blob_id = fill(store, FIRST, DATA)
    other = fill(store, SECOND, DATA)
    store.pin(blob_id, "lease")
    store.pin(other, "ended meanwhile")
    shutil.copytree(disk / "tier", tmp_path / "kept")
    unmount(disk)
    store.look_after_tiers()
    store.unpin(other, "ended meanwhile")
    mount(disk)
    shutil.copytree(tmp_path / "kept", disk / "tier")
    store.look_after_tiers()
    assert [store.evict(blob_id), store.evict(other)] == [False, True]
    store.unpin(blob_id, "lease")
    assert store.evict(blob_id)


def test_a_pin_protects_the_blob_that_another_tier_takes_instead(store: Store, disk: Path) -> None:
    store.pin(fill(store, FIRST, DATA), "lease")
    unmount(disk)
    store.look_after_tiers()
    assert not store.evict(fill(store, FIRST, DATA))
    assert [tier.blobs for tier in store.statistics().tiers] == [0, 1]


def test_a_directory_that_was_removed_is_made_again(store: Store, disk: Path) -> None:
    fill(store, FIRST, DATA)
    shutil.rmtree(disk / "tier")
    store.look_after_tiers()
    assert first(store).trouble == ""
    fill(store, FIRST, DATA)
    assert first(store).used_bytes == occupied_bytes(disk / "tier")


def test_a_tier_with_a_file_system_of_its_own_gets_another(tmp_path: Path) -> None:
    tier = tmp_path / "tier"
    tier.mkdir()
    mount(tier)
    made: list[Path] = []

    def prepare(settings: TierSettings) -> None:
        made.append(settings.path)
        mount(settings.path)

    store = Store([TierSettings(tier, SIZE // 2, own_file_system=True)], chunk_bytes=CHUNK_BYTES)
    try:
        unmount(tier)
        store.look_after_tiers(prepare)
        assert made == [tier]
        fill(store, FIRST, DATA)
        assert first(store).trouble == ""
    finally:
        store.close()
        unmount(tier)


def test_a_read_only_tier_is_read_and_not_written(
    store: Store, disk: Path, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store, FIRST, DATA)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    store.look_after_tiers()
    assert "read-only" in first(store).trouble
    blob = store.acquire(FIRST)
    assert blob.tier.path == disk / "tier"
    assert blob.sealed
    assert_right(blob)
    blob.release()
    other = store.acquire(SECOND)
    assert other.tier.path == tmp_path / "second"
    other.release()
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    clock.now += QUIET_SECONDS
    store.look_after_tiers()
    assert first(store).trouble == ""
    assert levels(caplog, disk) == ["WARNING", "INFO"]


def test_a_tier_that_others_fill_is_full_until_they_let_go(
    store: Store, disk: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    other = disk / "other"
    with open(other, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(1 << 14))
    store.look_after_tiers()
    assert "full" in first(store).trouble
    fill(store, FIRST, DATA)
    assert store.statistics().tiers[1].blobs == 1
    other.unlink()
    clock.now += QUIET_SECONDS
    store.look_after_tiers()
    assert first(store).trouble == ""
    fill(store, SECOND, DATA)
    assert first(store).blobs == 1
    assert levels(caplog, disk) == ["WARNING", "INFO"]


def test_a_disk_with_io_errors_is_left_alone_until_it_can_be_written_again(
    tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    calls = FailingCalls(Step.DATA_WRITE, errno.EIO, times=1)
    tiers = [TierSettings(tmp_path / name, SIZE) for name in ("a", "b")]
    store = Store(tiers, chunk_bytes=CHUNK_BYTES, calls=calls, monotonic=clock)
    blob = store.acquire(FIRST)
    with pytest.raises(TierUnavailable):
        put(blob, 0, DATA)
    blob.release()
    assert "cannot write data" in first(store).trouble
    other = store.acquire(SECOND)
    assert other.tier.path == tmp_path / "b"
    other.release()
    calls.step, calls.times = Step.PROBE, 1
    store.look_after_tiers()
    clock.now += QUIET_SECONDS
    store.look_after_tiers()
    assert first(store).trouble == ""
    assert not list((tmp_path / "a").glob("probe*"))
    assert levels(caplog, tmp_path / "a") == ["WARNING", "INFO"]
    store.close()


def test_blobs_of_a_tier_in_trouble_are_found_again(tmp_path: Path, clock: Clock) -> None:
    calls = FailingCalls(Step.DATA_OPEN, errno.EIO, times=0)
    store = Store([TierSettings(tmp_path / "a", SIZE)], chunk_bytes=CHUNK_BYTES, calls=calls, monotonic=clock)
    blob_id = fill(store, FIRST, DATA)
    calls.times = 1
    with pytest.raises(TierUnavailable):
        store.acquire(FIRST)
    assert store.blob_ids() == []
    clock.now += QUIET_SECONDS
    store.look_after_tiers()
    assert store.blob_ids() == [blob_id]
    assert first(store).used_bytes == occupied_bytes(tmp_path / "a")
    blob = store.acquire(FIRST)
    assert_right(blob)
    store.close()
