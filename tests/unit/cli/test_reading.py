"""Rates are bytes over seconds, of every byte, medians over passes that take turns."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli import reading
from cli.reading import BLOCK_BYTES, largest_file, measure, rate, read_blocks, read_mapped


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(os.urandom(2 * BLOCK_BYTES + 17))
    return tmp_path / "f"


def ticking(*moments: float) -> Callable[[], float]:
    ticks: Iterator[float] = iter(moments)
    return lambda: next(ticks)


def test_a_rate_is_bytes_per_second(file: Path) -> None:
    seen: list[int] = []
    assert rate(file, 1000, lambda _, size: seen.append(size), clock=ticking(10.0, 12.0)) == 500
    assert seen == [1000]


def test_blocks_and_mappings_read_to_the_last_byte(file: Path) -> None:
    size_bytes = file.stat().st_size
    with file.open("rb") as opened:
        read_blocks(opened.fileno(), size_bytes)
        read_mapped(opened.fileno(), size_bytes)
        with pytest.raises(EOFError, match="ended at"):
            read_blocks(opened.fileno(), size_bytes + 1)


def test_passes_take_turns_and_the_median_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[tuple[Path, str]] = []
    rates = iter([1.0, 10.0, 5.0, 50.0, 3.0, 30.0, 4.0, 40.0, 2.0, 20.0, 9.0, 90.0])
    names = {reader: name for name, reader in reading.READERS.items()}

    def fake(path: Path, size_bytes: int, reader: reading.Reader) -> float:
        order.append((path, names[reader]))
        return next(rates)

    monkeypatch.setattr(reading, "rate", fake)
    other = file.with_name("g")
    first, second = measure([file, other], 1, passes=3)
    assert order[:4] == [(file, "read"), (file, "mapped"), (other, "read"), (other, "mapped")] == order[4:8]
    assert (first.read, first.mapped, second.read, second.mapped) == (2.0, 20.0, 5.0, 50.0)


def test_of_a_directory_the_largest_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "small").write_bytes(b"1")
    (tmp_path / "sub" / "large").write_bytes(b"123")
    assert largest_file(tmp_path) == tmp_path / "sub" / "large"
    assert largest_file(tmp_path / "small") == tmp_path / "small"


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(FileNotFoundError, match="no file with bytes"):
        largest_file(tmp_path)
