"""The journal of open files: whatever happens to the file, it says what was recorded, up to some moment."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.fuse import journal as module
from cachefs.fuse.journal import HEADER, RECORD_BYTES, ROOM_BYTES, FileJournal, Kind, NoJournal, Record, records
from cachefs.fuse.modes import InodeState
from cachefs.types import Ino

A, B = Ino(2**63 - 1), Ino(7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "opens"


@pytest.fixture
def journal(path: Path) -> Iterator[FileJournal]:
    journal = FileJournal(path)
    yield journal
    journal.close()


def reread(path: Path) -> module.OpenState:
    """What the next daemon sees."""
    journal = FileJournal(path)
    try:
        return journal.state()
    finally:
        journal.close()


def test_the_next_daemon_sees_what_is_open(journal: FileJournal, path: Path) -> None:
    journal.record(Record(Kind.OPEN, 10, A))
    journal.record(Record(Kind.OPEN, 12, A))
    journal.record(Record(Kind.OPEN, 14, B, 3))
    journal.record(Record(Kind.RELEASE, 16, A))
    state = reread(path)
    assert state.inodes == {A: InodeState(1, None), B: InodeState(1, 3)}
    assert state.answered == {10, 12, 14, 16}
    assert state.unclosed is None
    assert state == journal.state()


def test_a_backing_id_that_was_not_given_back_is_named(journal: FileJournal, path: Path) -> None:
    journal.record(Record(Kind.OPEN, 10, B, 3))
    journal.record(Record(Kind.RELEASE, 12, B))
    assert reread(path).unclosed == 3
    journal.record(Record(Kind.OPEN, 14, B))
    assert reread(path).unclosed is None


def test_it_goes_on_where_the_daemon_before_ended(path: Path) -> None:
    for unique in range(10, 20, 2):
        journal = FileJournal(path)
        journal.record(Record(Kind.OPEN, unique, A))
        journal.close()
    assert reread(path).inodes == {A: InodeState(5, None)}


@given(cut=st.integers(0, len(HEADER) + 4 * RECORD_BYTES), noise=st.binary(max_size=2 * RECORD_BYTES))
def test_a_torn_file_ends_at_its_last_whole_record(cut: int, noise: bytes) -> None:
    whole = [Record(Kind.OPEN, 2 * number, Ino(number + 1), number or None) for number in range(4)]
    data = (HEADER + b"".join(record.encode() for record in whole))[:cut] + noise
    found = list(records(data))
    assert found == whole[: len(found)]
    assert len(found) >= (cut - len(HEADER)) // RECORD_BYTES


def test_a_torn_record_is_overwritten_by_the_next(journal: FileJournal, path: Path) -> None:
    journal.record(Record(Kind.OPEN, 10, A))
    with path.open("r+b") as file:
        file.seek(len(HEADER) + RECORD_BYTES)
        file.write(Record(Kind.OPEN, 12, B).encode()[:-9])
    again = FileJournal(path)
    again.record(Record(Kind.OPEN, 14, B))
    again.close()
    assert reread(path).inodes == {A: InodeState(1, None), B: InodeState(1, None)}


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3]), st.booleans()), max_size=60))
def test_a_rewritten_file_says_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[int, bool]]
) -> None:
    """Opens and releases of three inodes in any order, through a file of four records."""
    path = tmp_path_factory.mktemp("journal") / "opens"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "ROOM_BYTES", len(HEADER) + 4 * RECORD_BYTES)
        journal = FileJournal(path)
        model: dict[Ino, int] = {}
        for unique, (number, opens) in enumerate(steps):
            ino = Ino(number)
            if not opens and not model.get(ino):
                continue
            model[ino] = model.get(ino, 0) + (1 if opens else -1)
            kind = Kind.OPEN if opens else Kind.RELEASE
            journal.record(Record(kind, unique, ino, number - 1 if opens else None))
            state = reread(path)
            assert {ino: inode.opens for ino, inode in state.inodes.items()} == {i: n for i, n in model.items() if n}
            assert state.answered == journal.state().answered
            assert unique in state.answered
        journal.close()


def test_its_room_is_there_before_the_disk_is_full(journal: FileJournal, path: Path) -> None:
    journal.record(Record(Kind.OPEN, 10, A))
    assert path.stat().st_blocks * 512 >= ROOM_BYTES


def test_many_opens_stay_in_a_small_file(journal: FileJournal, path: Path) -> None:
    for unique in range(0, 40_000, 4):
        journal.record(Record(Kind.OPEN, unique, A))
        journal.record(Record(Kind.RELEASE, unique + 2, A))
    assert path.stat().st_size == ROOM_BYTES
    state = reread(path)
    assert state.inodes == {}
    assert 40_000 - 2 in state.answered
    assert not path.with_suffix(".new").exists()


def test_a_disk_that_fails_is_named_once_and_made_up_for(
    journal: FileJournal, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        journal.record(Record(Kind.OPEN, 10, A))
        journal.record(Record(Kind.OPEN, 12, A))
    assert caplog.text.count("open files do not survive a restart") == 1
    assert reread(path).inodes == {}
    journal.record(Record(Kind.OPEN, 14, B))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        journal.record(Record(Kind.OPEN, 16, B))
    journal.record(Record(Kind.RELEASE, 18, A))
    assert reread(path).inodes == journal.state().inodes == {A: InodeState(1, None), B: InodeState(2, None)}
    assert caplog.text.count("open files do not survive a restart") == 2


def test_a_new_mount_clears_it(
    journal: FileJournal, path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    journal.record(Record(Kind.OPEN, 10, A))
    journal.clear()
    assert reread(path).inodes == journal.state().inodes == {}

    def broken(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "ftruncate", broken)
    journal.clear()
    assert "Input/output error" in caplog.text


def test_a_file_of_another_kind_is_not_believed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path.write_bytes(b"mows opens 2\n" + bytes(500))
    journal = FileJournal(path)
    assert journal.state().inodes == {}
    assert "not a journal of this version" in caplog.text
    journal.record(Record(Kind.OPEN, 10, A))
    journal.close()
    assert reread(path).inodes == {A: InodeState(1, None)}


def test_no_journal_remembers_nothing() -> None:
    journal = NoJournal()
    journal.record(Record(Kind.OPEN, 1, A))
    journal.clear()
    assert journal.state().inodes == {}
