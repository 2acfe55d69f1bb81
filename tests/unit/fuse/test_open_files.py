"""Files that the kernel holds open of an earlier daemon, and requests that are sent again."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.fuse import abi
from cachefs.fuse.abi import UNIQUE_RESEND, Opcode, OpenFlag
from cachefs.fuse.journal import FileJournal, Kind, OpenState, Record
from cachefs.fuse.modes import InodeState
from cachefs.fuse.open_files import OpenFiles
from cachefs.fuse.statistics import Counters
from cachefs.types import FileHandle, Ino
from tests.fuse.successive import StableFileSystem
from tests.unit.fuse.kernel import FakeKernel, Served

GONE = Ino(99)


class World:
    """One file, open or not, and what the kernel is told of it."""

    def __init__(self, path: Path, kernel: FakeKernel) -> None:
        (path / "source").mkdir()
        (path / "source" / "file").write_bytes(b"content")
        self.fs = StableFileSystem(path / "source", set(), None)
        self.ino = self.fs.ino_of(path / "source" / "file")
        self.journal = FileJournal(path / "opens")
        self.files = OpenFiles(self.fs, kernel.device, Counters(), self.journal, passthrough=True)
        self.closed: list[int] = []

    def opens(self) -> int:
        return self.fs.counts.get(FileHandle(self.ino), 0)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with FakeKernel() as kernel:
        world = World(tmp_path, kernel)
        monkeypatch.setattr(kernel.device, "backing_close", world.closed.append)
        yield world
        world.files.close()
        world.journal.close()
        assert world.fs.counts == {}


def fails(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.RaisesExc(OSError, check=lambda error: error.errno == number)


def taken_over(world: World, *records: Record) -> OpenState:
    for record in records:
        world.journal.record(record)
    state = world.journal.state()
    world.files.restore(state)
    return state


def test_what_is_open_is_opened_again_and_closed_once(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino), Record(Kind.OPEN, 12, world.ino))
    assert world.opens() == 2
    for unique in 14, 16:
        world.files.release(world.ino, FileHandle(world.ino), unique)
    assert world.opens() == 0
    assert world.journal.state().inodes == {}


def test_a_repeated_open_is_answered_as_it_was_and_counted_once(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino, 3))
    answer = world.files.open(world.ino, 10 | UNIQUE_RESEND)
    assert answer == (FileHandle(world.ino), OpenFlag.PASSTHROUGH, 3)
    assert world.files.open(world.ino, 10 | UNIQUE_RESEND) == answer
    assert world.opens() == 1
    assert world.journal.state().inodes == {world.ino: InodeState(1, 3)}


def test_a_repeated_cached_open(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino))
    assert world.files.open(world.ino, 10 | UNIQUE_RESEND) == (FileHandle(world.ino), OpenFlag.KEEP_CACHE, 0)


def test_an_open_that_was_not_recorded_is_a_new_one(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino))
    world.files.open(world.ino, 12 | UNIQUE_RESEND)
    assert world.opens() == 2
    assert 12 in world.journal.state().answered


def test_a_repeated_release_is_not_done_twice(world: World) -> None:
    taken_over(
        world, Record(Kind.OPEN, 10, world.ino), Record(Kind.OPEN, 12, world.ino), Record(Kind.RELEASE, 14, world.ino)
    )
    assert not world.files.release(world.ino, FileHandle(world.ino), 14 | UNIQUE_RESEND)
    assert world.opens() == 1


def test_the_last_release_gives_the_inherited_backing_id_back(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino, 3))
    assert world.files.open(world.ino, 12)[1:] == (OpenFlag.PASSTHROUGH, 3)
    world.files.release(world.ino, FileHandle(world.ino), 14)
    assert world.closed == []
    world.files.release(world.ino, FileHandle(world.ino), 16)
    assert world.closed == [3]


def test_a_backing_id_that_the_dead_daemon_may_have_kept_is_given_back(world: World) -> None:
    taken_over(world, Record(Kind.OPEN, 10, world.ino, 3), Record(Kind.RELEASE, 12, world.ino))
    assert world.closed == [3]


def test_an_id_that_is_gone_already_does_not_matter(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_: int) -> None:
        raise FileNotFoundError

    monkeypatch.setattr(world.files._device, "backing_close", gone)
    taken_over(world, Record(Kind.OPEN, 10, world.ino, 3), Record(Kind.RELEASE, 12, world.ino))


def test_a_lost_file_fails_until_it_is_released(world: World, caplog: pytest.LogCaptureFixture) -> None:
    taken_over(world, Record(Kind.OPEN, 10, GONE), Record(Kind.OPEN, 12, GONE), Record(Kind.OPEN, 14, world.ino))
    assert caplog.text.count("1 files that were open before the restart cannot be opened again") == 1
    for call in (world.files.check, lambda ino: world.files.open(ino, 16)):
        with fails(errno.ESTALE):
            call(GONE)
    world.files.check(world.ino)
    with fails(errno.ESTALE):
        world.files.open(GONE, 12 | UNIQUE_RESEND)  # so the kernel will release it once only
    assert not world.files.release(GONE, FileHandle(GONE), 18)
    world.files.check(GONE)
    assert world.journal.state().inodes == {world.ino: InodeState(1, None)}


def test_closing_leaves_the_journal_as_it_is(world: World) -> None:
    world.files.open(world.ino, 10)
    world.files.close()
    assert world.opens() == 0
    assert world.journal.state().inodes == {world.ino: InodeState(1, None)}


@pytest.mark.parametrize("bits", [0, UNIQUE_RESEND])
def test_a_request_is_answered_and_interrupted_by_the_number_it_came_with(world: World, bits: int) -> None:
    with FakeKernel() as kernel:
        served = Served(kernel, world.fs)
        handle = served.open(world.ino)
        world.fs.park = True
        read = abi.READ_IN.pack(handle, 0, 7, 0, 0, 0, 0)
        for unique in 20 | bits, 22 | bits:
            deliver(served, Opcode.READ, unique, read, world.ino)
        deliver(served, Opcode.INTERRUPT, 20 | bits | 1, abi.INTERRUPT_IN.pack(20 | bits), 0)
        assert kernel.answer()[:2] == (20 | bits, errno.EINTR)
        world.fs.answer_parked()
        assert kernel.answer() == (22 | bits, 0, b"content")
        served.files.close()


def deliver(served: Served, opcode: int, unique: int, body: bytes, ino: int) -> None:
    """A request with a number of the test's choice."""
    header = abi.IN_HEADER.pack(abi.IN_HEADER.size + len(body), opcode, unique, ino, 0, 0, 1, 0, 0)
    served.adapter.handle(memoryview(header + body))
