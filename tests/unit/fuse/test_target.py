"""What can be mounted on, and what is refused with which remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachefs.errors import InvalidTarget
from cachefs.fuse.target import Target, check_target, is_mounted, mount_points


def test_an_empty_directory_and_a_missing_one_are_fine(tmp_path: Path) -> None:
    check_target(tmp_path)
    check_target(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("below", ["file", "file/x"])
def test_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidTarget, match="not a directory") as caught:
        check_target(tmp_path / below)
    assert caught.value.hint
    assert caught.value.code == "invalid_target"


def test_a_directory_with_something_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(InvalidTarget, match="not empty: 1 entries") as caught:
        check_target(tmp_path)
    assert "empty directory" in caught.value.hint


def test_a_mount_point_is_refused_with_the_way_out() -> None:
    with pytest.raises(InvalidTarget, match="mounted there already") as caught:
        check_target(Path("/proc"))
    assert "mows umount /proc" in caught.value.hint


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(InvalidTarget):
        check_target(tmp_path / "loop")


def test_what_was_made_is_removed_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    target = Target.prepare(tmp_path / "old" / "new" / "newer")
    assert target.path.is_dir()
    target.remove()
    assert (tmp_path / "old").is_dir()
    assert not (tmp_path / "old" / "new").exists()


def test_a_directory_that_was_filled_since_is_left(tmp_path: Path) -> None:
    target = Target.prepare(tmp_path / "new")
    (target.path / "x").touch()
    target.remove()
    assert (target.path / "x").exists()


def test_mount_points_are_unescaped() -> None:
    text = rb"42 27 0:39 / /mnt/with\040space\134x ro,nosuid - fuse.mows mows ro" + b"\n"
    text += b"43 27 0:40 / /mnt/b rw shared:5 master:1 - ext4 /dev/vda rw\n"
    assert mount_points(text) == {rb"/mnt/with space\x", b"/mnt/b"}


def test_is_mounted_sees_through_links_in_the_parents(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/")
    assert is_mounted(tmp_path / "link" / "proc")
    assert not is_mounted(tmp_path)
