"""What can be wrong with a tier's directory."""

from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.store.file_systems import file_system_of, mounted_type
from cli.doctor.finding import Level
from cli.doctor.tiers import Directory, Tier, check, duplicates, look, memory_bytes, probe

GIB = 1 << 30
TIER = Tier(Path("/cache"), capacity_bytes=10 * GIB, min_free_bytes=GIB)
GOOD = Directory(Path("/cache"), (1, 2), "ext4", size_bytes=100 * GIB, free_bytes=50 * GIB, error=None)


def test_a_good_tier_is_ok() -> None:
    finding = check(TIER, GOOD)
    assert (finding.level, finding.name) == (Level.OK, "tier /cache")
    assert finding.message == "10.0 GiB of 100.0 GiB ext4, writable"


@pytest.mark.parametrize(
    ("found", "level", "words"),
    [
        (replace(GOOD, error="Read-only file system"), Level.FAIL, "Read-only"),
        (replace(GOOD, size_bytes=5 * GIB), Level.FAIL, "larger than its ext4"),
        (replace(GOOD, file_system="nfs4"), Level.WARN, "network"),
        (replace(GOOD, file_system="overlay"), Level.WARN, "passthrough"),
        (replace(GOOD, free_bytes=GIB // 2), Level.WARN, "min_free"),
    ],
)
def test_a_bad_tier_has_a_finding_with_a_remedy(found: Directory, level: Level, words: str) -> None:
    finding = check(TIER, found)
    assert finding.level is level
    assert words in finding.message
    assert finding.remedy


def test_a_floor_above_the_file_system_leaves_nothing() -> None:
    assert check(replace(TIER, min_free_bytes=100 * GIB), GOOD).level is Level.FAIL


def test_a_small_tmpfs_is_told_how_to_grow() -> None:
    finding = check(TIER, replace(GOOD, file_system="tmpfs", size_bytes=GIB))
    assert "remount,size=10240M" in finding.remedy


def test_two_names_of_one_directory_are_found(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    tiers = [Tier(tmp_path / "a", 1, 0), Tier(tmp_path / "b", 1, 0), Tier(tmp_path / "c", 1, 0)]
    findings = list(duplicates(tiers, [look(tier.path) for tier in tiers]))
    assert [(finding.name, finding.level) for finding in findings] == [(f"tier {tmp_path / 'b'}", Level.FAIL)]


def test_one_directory_that_does_not_exist_yet_is_found_twice(tmp_path: Path) -> None:
    tiers = [Tier(tmp_path / "new", 1, 0), Tier(tmp_path / "x" / ".." / "new", 1, 0)]
    assert len(list(duplicates(tiers, [look(tier.path) for tier in tiers]))) == 1


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    found = look(tmp_path / "cache" / "deep")
    assert found.existing == tmp_path
    assert found.identity is None
    assert found.error is None
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_the_directory_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("")
    (finding,) = probe([Tier(tmp_path / "cache", 1, 0)])
    assert finding.level is Level.FAIL


def test_memory_tiers_are_those_on_tmpfs(tmp_path: Path) -> None:
    assert file_system_of(Path("/dev/shm")) == "tmpfs"
    assert memory_bytes([Tier(Path("/dev/shm/mows"), 7, 0), Tier(Path("/sys"), 11, 0)]) == 7


MOUNTINFO = r"""
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:5 / /mnt/with\040space rw shared:1 - xfs /dev/sdb rw
23 21 0:6 / /mnt rw - tmpfs tmpfs rw
24 21 0:7 / /models rw - fuse.mows mows rw
""".strip()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/cache", "ext4"),
        ("/mnt/x", "tmpfs"),
        ("/mnt/with space/a", "xfs"),
        ("/models/q", "fuse"),
        ("/mntx", "ext4"),
    ],
)
def test_the_mount_a_path_lies_in(path: str, expected: str) -> None:
    assert mounted_type(MOUNTINFO, Path(path)) == expected
