"""Unmounting has a deadline, whatever the kernel does."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from cachefs.errors import MountError
from cachefs.fuse import mounting


def test_an_unmount_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, ended = threading.Event(), threading.Event()

    def hang(*_: object) -> None:
        gate.wait()
        ended.set()

    monkeypatch.setattr(mounting, "_call", hang)
    with pytest.raises(MountError, match=r"umount\(2\) did not return within 0.01 s") as caught:
        mounting.unmount(Path("/m"), timeout_seconds=0.01)
    assert caught.value.code == "mount_error"
    gate.set()
    ended.wait()


def test_what_is_not_mounted_needs_no_unmounting(tmp_path: Path) -> None:
    mounting.unmount(tmp_path)
    mounting.unmount(tmp_path / "nothing")
