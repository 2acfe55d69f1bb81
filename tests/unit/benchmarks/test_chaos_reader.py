"""A reader that checks every byte: on a plain directory, which tells it the truth or does not."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.chaos.access import BLOCK_BYTES, WAYS, Called, Mapped
from benchmarks.chaos.content import PAGE_BYTES, Content
from benchmarks.chaos.reader import Reader, ReaderSettings, Trouble

SIZE = 2 * BLOCK_BYTES + 4321


def write(directory: Path, version: int, name: str = "a") -> Content:
    content = Content(name, SIZE, version)
    content.write(directory / f"{name}.new")
    (directory / f"{name}.new").rename(directory / name)
    return content


class Desk:
    """One reader and what it notes."""

    def __init__(self, directory: Path, way: str = "read") -> None:
        self.notes = io.StringIO()
        self.passed_bytes: list[int] = []
        settings = ReaderSettings(
            name="r", node=0, way=way, directory=str(directory), objects={"a": SIZE}, bytes_per_second=1e9, seed=1,
            troubles="",
        )  # fmt: skip
        self.reader = Reader(settings, self.notes, self.passed_bytes.append)

    @property
    def troubles(self) -> list[Trouble]:
        return [Trouble(**json.loads(line)) for line in self.notes.getvalue().splitlines()]


@pytest.mark.parametrize("way", WAYS)
def test_right_bytes_are_no_trouble_however_they_are_read(tmp_path: Path, way: str) -> None:
    content, desk = write(tmp_path, 3), Desk(tmp_path, way)
    desk.reader.visit()
    paced_bytes = sum(desk.passed_bytes)
    desk.reader.pass_over({"a": 3})
    assert desk.troubles == []
    assert desk.reader.summary.passed
    assert desk.reader.summary.opens == 2
    assert desk.reader.summary.bytes >= content.size_bytes + paced_bytes
    assert sum(desk.passed_bytes) == paced_bytes > 0


@pytest.mark.parametrize("way", WAYS)
def test_wrong_bytes_are_noted_with_their_place(tmp_path: Path, way: str) -> None:
    write(tmp_path, 3)
    with open(tmp_path / "a", "r+b") as file:
        file.seek(PAGE_BYTES)
        file.write(Content("a", SIZE, 2).read(PAGE_BYTES, PAGE_BYTES))
    desk = Desk(tmp_path, way)
    desk.reader.pass_over({"a": 3})
    (trouble,) = desk.troubles
    assert (trouble.kind, trouble.version) == ("wrong", 3)
    assert PAGE_BYTES <= trouble.offset < 2 * PAGE_BYTES
    assert trouble.what == "page 1 of version 2, in version 3"
    assert not desk.reader.summary.passed


def test_an_older_version_than_before_is_wrong(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for version in (2, 1):
        write(tmp_path, version)
        desk.reader.visit()
    assert [trouble.what for trouble in desk.troubles] == ["version 1 after version 2"]


def test_the_last_pass_must_show_what_is_there_now(tmp_path: Path) -> None:
    write(tmp_path, 1)
    desk = Desk(tmp_path)
    desk.reader.pass_over({"a": 2})
    assert desk.reader.summary.wrong == 1
    assert not desk.reader.summary.passed


def test_a_file_of_the_wrong_size_or_beginning_is_wrong(tmp_path: Path) -> None:
    content, desk = write(tmp_path, 1), Desk(tmp_path)
    os.truncate(tmp_path / "a", content.size_bytes - 1)
    desk.reader.visit()
    (tmp_path / "a").write_bytes(bytes(SIZE))
    desk.reader.visit()
    first, second = (trouble.what for trouble in desk.troubles)
    assert first == f"{content.size_bytes - 1} bytes, not {content.size_bytes}"
    assert second.startswith("no version of this object begins with 0000")


def test_an_error_is_noted_by_its_name_and_reading_goes_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.reader.visit()
    write(tmp_path, 0)
    desk.reader.visit()
    (trouble,) = desk.troubles
    assert (trouble.kind, trouble.what, trouble.call, trouble.version) == ("error", "ENOENT", "open", None)
    assert desk.reader.summary.errors == 1
    assert desk.reader.summary.longest_seconds > 0


@pytest.mark.parametrize("access", [Called, Mapped])
def test_both_kinds_of_access_read_the_same(tmp_path: Path, access: Callable[[str], Called | Mapped]) -> None:
    content = write(tmp_path, 0)
    file = access(str(tmp_path / "a"))
    assert file.size_bytes == content.size_bytes
    for offset, count in ((0, 10), (4090, 100), (content.size_bytes - 5, 100), (content.size_bytes, 10)):
        assert file.read(offset, count) == content.read(offset, count)
    file.close()


def test_a_page_that_cannot_be_had_is_an_error_and_no_signal(tmp_path: Path) -> None:
    write(tmp_path, 0)
    file = Mapped(str(tmp_path / "a"))
    os.truncate(tmp_path / "a", PAGE_BYTES)
    with pytest.raises(OSError, match="Bad address"):
        file.read(BLOCK_BYTES, 100)
    file.close()
