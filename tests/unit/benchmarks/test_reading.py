"""The readers that are timed: they read everything, and say so when they cannot."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks.local import reading
from benchmarks.local.bench import write_random
from benchmarks.local.reading import BLOCK_BYTES, ShortRead, drop_pages, map_all, read_all


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "new" / "file"
    write_random(path, 2 * BLOCK_BYTES + 5)
    return path


def test_reading_and_mapping_answer_a_rate(file: Path) -> None:
    assert read_all([file, file]) > 0
    assert map_all(file) > 0


def test_every_byte_is_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "GIGABYTE", 1.0)
    monkeypatch.setattr(reading, "time", SimpleNamespace(perf_counter=iter([0.0, 1.0, 0.0, 1.0]).__next__))
    assert read_all([file, file]) == 2 * file.stat().st_size
    assert map_all(file) == file.stat().st_size


def test_a_file_of_another_size_than_stat_says_does_not_count() -> None:
    with pytest.raises(ShortRead, match=r"/proc/self/status: \d+ of 0 bytes"):
        read_all([Path("/proc/self/status")])


def test_dropping_pages_leaves_the_bytes(file: Path) -> None:
    before = file.read_bytes()
    drop_pages(file)
    assert file.read_bytes() == before
