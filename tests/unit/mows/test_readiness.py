"""What makes a node unready."""

from __future__ import annotations

from pathlib import Path

import pytest

from mows.errors import NotReady
from mows.readiness import check_ready


def test_ready_leaves_nothing_behind(tmp_path: Path) -> None:
    check_ready([tmp_path], fuse_device=Path("/dev/null"))
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_wrong_is_named(tmp_path: Path) -> None:
    vanished = tmp_path / "vanished"
    with pytest.raises(NotReady) as caught:
        check_ready([tmp_path, vanished], fuse_device=tmp_path / "fuse")
    assert (
        str(caught.value)
        == f"tier {vanished}: No such file or directory; {tmp_path / 'fuse'}: No such file or directory"
    )
