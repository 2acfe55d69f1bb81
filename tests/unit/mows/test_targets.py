"""Where a mount may appear."""

from __future__ import annotations

from pathlib import Path

import pytest

from cachefs.errors import InvalidTarget
from mows.errors import TargetNotAllowed
from mows.targets import resolve_target


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path.resolve() / "root"
    root.mkdir()
    return root


def test_inside_a_root_whether_it_exists_or_not(root: Path) -> None:
    (root / "there").mkdir()
    for target in (root, root / "there", root / "not" / "yet"):
        assert resolve_target(str(target), [root]) == target


@pytest.mark.parametrize("text", ["relative", "", "{root}/../root/m", "{root}/..", "{root}/a\0b"])
def test_paths_that_are_no_plain_absolute_paths(root: Path, text: str) -> None:
    with pytest.raises(InvalidTarget):
        resolve_target(text.format(root=root), [root])


def test_outside_every_root(root: Path) -> None:
    (root.parent / "rootless").mkdir()
    for target in (root.parent / "elsewhere", root.parent / "rootless", root.parent):
        with pytest.raises(TargetNotAllowed, match=r"lies outside mounts\.allowed_roots"):
            resolve_target(str(target), [root])


def test_a_symbolic_link_out_is_followed_and_refused(root: Path) -> None:
    (root / "link").symlink_to(root.parent)
    with pytest.raises(TargetNotAllowed, match=f"which leads to {root.parent / 'm'}"):
        resolve_target(str(root / "link" / "m"), [root])


def test_a_symbolic_link_that_stays_inside(root: Path) -> None:
    (root / "real").mkdir()
    (root / "link").symlink_to("real")
    assert resolve_target(str(root / "link"), [root]) == root / "real"


def test_a_root_that_is_itself_a_link(root: Path) -> None:
    link = root.parent / "alias"
    link.symlink_to(root)
    assert resolve_target(str(link / "m"), [link]) == root / "m"


def test_links_in_a_circle(root: Path) -> None:
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    with pytest.raises(InvalidTarget, match="cannot be resolved"):
        resolve_target(str(root / "one"), [root])
