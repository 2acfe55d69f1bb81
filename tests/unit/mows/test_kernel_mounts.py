"""A mount that is taken over belongs to somebody at every step, so that none of its descriptors is left open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.fs import Shown
from cachefs.fs.snapshot import build_snapshot
from cachefs.fuse import ConnectionState, MountOptions
from cachefs.fuse.target import Target
from cachefs.origin.memory import MemoryOrigin
from mows import kernel_mounts
from mows.keeping import Keeper, Keeping
from mows.kernel_mounts import PREFIX, FuseMounter
from mows.ports import MountPlace
from tests.unit.fs.test_filesystem import CacheTwin
from tests.unit.mows.test_keeping import descriptors, started


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    """Of a daemon that comes after one that has left the mount `m`."""
    keeper = started(tmp_path)
    client = Keeper(tmp_path / "keeper.sock")
    fd = os.memfd_create("mows-test")
    state = ConnectionState(Target(tmp_path / "m", ()), 45, passthrough=True, resend=True)
    client.put(f"{PREFIX}m", fd, state.as_note())
    os.close(fd)
    client.close()
    keeping = Keeping(Keeper(tmp_path / "keeper.sock"))
    keeping.start()
    yield keeping
    keeping.close()
    keeper.end()


@pytest.mark.parametrize("broken", ["MountedFileSystem", "FileJournal", "FuseMount"])
def test_a_descriptor_is_closed_when_nothing_comes_of_it(
    tmp_path: Path, keeping: Keeping, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    mounter = FuseMounter(CacheTwin(), MountOptions(), lambda _: tmp_path / "opens", keeping)
    place, shown = MountPlace("m", tmp_path / "m", "memory://b/"), Shown(build_snapshot([], "", "m"))
    before = descriptors()
    monkeypatch.setattr(kernel_mounts, broken, fail)
    with pytest.raises(RuntimeError, match="a bug"):
        mounter.take_over(place, shown, MemoryOrigin(), lambda *_: None)
    assert descriptors() == before
