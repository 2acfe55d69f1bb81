"""Scratch space: where it lies, and that it is gone."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from benchmarks.node import scratch as module
from benchmarks.node.scratch import NotEnoughRoom, in_memory, mounts_below, scratch


def test_it_is_there_and_then_gone_with_all_that_is_in_it() -> None:
    with scratch(1, prefix="mows-test-") as path:
        (path / "deep" / "er").mkdir(parents=True)
        (path / "deep" / "file").write_bytes(b"x")
        assert path.name.startswith("mows-test-")
    assert not path.exists()


def test_a_failure_inside_leaves_nothing_either() -> None:
    with pytest.raises(LookupError), scratch(1, prefix="mows-test-") as path:
        raise LookupError
    assert not path.exists()


def test_it_lies_in_memory_when_that_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_free_memory_bytes", lambda: 125)
    with scratch(100, prefix="mows-test-") as path:
        assert in_memory(path)


def test_it_lies_on_disk_when_memory_is_short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "_free_memory_bytes", lambda: 124)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with scratch(100, prefix="mows-test-") as path:
        assert not in_memory(path)
        assert path.parent == tmp_path


def test_no_room_anywhere_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_free_memory_bytes", lambda: 0)
    with pytest.raises(NotEnoughRoom, match="use a smaller --size"), scratch(2**60, prefix="mows-test-"):
        pass


def test_mounts_below_finds_the_mounts_of_this_machine() -> None:
    assert Path("/proc") in mounts_below(Path("/"))
    assert mounts_below(Path("/proc"))[-1] == Path("/proc")
    assert mounts_below(Path("/nowhere")) == []
