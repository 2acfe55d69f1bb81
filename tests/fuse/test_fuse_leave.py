"""A mount is left and adopted inside one process: nothing of the first stays, and nothing is missing for the second."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import MountError
from cachefs.fuse import ConnectionState, FileJournal, FuseMount, MountOptions, codec, is_mounted, mounting
from cachefs.fuse.abi import InitFlag
from tests.fuse.mounted import PATIENCE_SECONDS, child, finish, footprint, line_of, tell
from tests.fuse.successive import StableFileSystem
from tests.fuse.test_fuse_takeover import DIRECT, digest

CONTENT = bytes(range(256)) * 64


@pytest.fixture
def fs(tmp_path: Path) -> StableFileSystem:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(CONTENT)
    return StableFileSystem(tmp_path / "source", set(), None)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    journal = FileJournal(tmp_path / "opens")
    yield journal
    journal.close()


@pytest.fixture
def old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 6.9, made by not seeing what this one offers."""
    offered = codec.decode_init

    def decode(body: memoryview) -> codec.InitRequest:
        return offered(body)._replace(flags=offered(body).flags & ~InitFlag.HAS_RESEND)

    monkeypatch.setattr(codec, "decode_init", decode)


@pytest.fixture
def mount(fs: StableFileSystem, tmp_path: Path, journal: FileJournal) -> FuseMount:
    return FuseMount(fs, tmp_path / "mount", MountOptions(), journal)


def handed_over(mount: FuseMount, timeout_seconds: float = PATIENCE_SECONDS) -> tuple[int, ConnectionState]:
    kept = mount.dup_fd(), ConnectionState.from_note(mount.state().as_note())
    mount.leave(timeout_seconds=timeout_seconds)
    return kept


def successor(mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal) -> FuseMount:
    fd, state = handed_over(mount)
    assert fs.counts == {}
    assert is_mounted(tmp_path / "mount")
    new = FuseMount(fs, tmp_path / "mount", MountOptions(), journal)
    new.adopt(fd, state)
    return new


def test_a_reader_sees_one_mount(mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal) -> None:
    before = footprint()
    mount.start()
    with (tmp_path / "mount" / "file").open("rb", buffering=0) as file:
        assert file.read(4096) == CONTENT[:4096]
        new = successor(mount, fs, tmp_path, journal)
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert file.read() == CONTENT[4096:]
        assert sum(fs.counts.values()) == 1
        assert new.state() == ConnectionState.from_note(new.state().as_note())
    new.stop(timeout_seconds=PATIENCE_SECONDS)
    mount.leave(timeout_seconds=0.0)  # again: nothing happens
    assert fs.counts == {}
    assert footprint() == before
    assert not (tmp_path / "mount").exists()  # it was made by the first, and the second knows


def test_a_read_that_waits_is_left_to_the_next_daemon(
    mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    mount.start()
    reader = child(DIRECT, tmp_path / "mount" / "file")
    line_of(reader)
    fs.park = True
    tell(reader, "4096")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    late, fs.park = list(fs.parked), False
    fs.parked.clear()
    new = successor(mount, fs, tmp_path, journal)
    assert "1 reads that wait for data are left to the next daemon" in caplog.text
    assert not any(answer.reply.error(errno.EINTR) for answer in late)
    assert line_of(reader) == digest(CONTENT[4096:8192])
    assert finish(reader)[0] == 0
    new.stop(timeout_seconds=PATIENCE_SECONDS)


@pytest.mark.usefixtures("old_kernel")
def test_an_old_kernels_reads_are_answered_before_a_daemon_leaves(
    mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal
) -> None:
    before = footprint()
    mount.start()
    reader = child(DIRECT, tmp_path / "mount" / "file")
    line_of(reader)
    fs.park = True
    tell(reader, "4096")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    fd = mount.dup_fd()
    state = mount.state()
    leaving = threading.Thread(target=mount.leave, kwargs={"timeout_seconds": PATIENCE_SECONDS})
    leaving.start()
    assert leaving.is_alive()
    fs.answer_parked()
    leaving.join(PATIENCE_SECONDS)
    assert line_of(reader) == digest(CONTENT[4096:8192])
    new = FuseMount(fs, tmp_path / "mount", MountOptions(), journal)
    new.adopt(fd, state)
    tell(reader, "0")
    assert line_of(reader) == digest(CONTENT[:4096])
    assert finish(reader)[0] == 0
    new.stop(timeout_seconds=PATIENCE_SECONDS)
    assert footprint() == before


@pytest.mark.usefixtures("old_kernel")
def test_an_old_kernels_reads_that_take_too_long_fail(
    mount: FuseMount, fs: StableFileSystem, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mount.start()
    reader = child(DIRECT, tmp_path / "mount" / "file")
    line_of(reader)
    fs.park = True
    tell(reader, "4096")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    fd, _ = handed_over(mount, 0.0)
    assert line_of(reader) == f"errno {errno.ECONNABORTED}"
    assert "this kernel cannot send requests again: 1 reads in flight fail" in caplog.text
    mounting.unmount(tmp_path / "mount")
    os.close(fd)
    finish(reader)
    fs.parked.clear()


@pytest.mark.usefixtures("old_kernel")
def test_without_a_second_door_the_first_is_used(
    mount: FuseMount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("cachefs.fuse.abi.DEV_IOC_CLONE", 0)
    before = footprint()
    mount.start()
    assert "requests in flight wait for ever if the daemon dies" in caplog.text
    assert (tmp_path / "mount" / "file").read_bytes() == CONTENT
    mount.stop(timeout_seconds=PATIENCE_SECONDS)
    assert footprint() == before


def test_a_mount_that_has_ended_is_not_adopted(
    mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal
) -> None:
    before = footprint()
    mount.start()
    fd, state = handed_over(mount)
    mounting.unmount(tmp_path / "mount")
    new = FuseMount(fs, tmp_path / "mount", MountOptions(), journal)
    with pytest.raises(MountError, match="the mount has ended"):
        new.adopt(fd, state)
    assert footprint() == before
    for ask in new.state, new.dup_fd:
        with pytest.raises(RuntimeError, match="not mounted"):
            ask()


def test_an_adoption_that_fails_leaves_the_mount_to_somebody_else(
    mount: FuseMount, fs: StableFileSystem, tmp_path: Path, journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = footprint()
    mount.start()
    with (tmp_path / "mount" / "file").open("rb", buffering=0) as file:
        fd, state = handed_over(mount)
        kept = os.dup(fd)
        new = FuseMount(fs, tmp_path / "mount", MountOptions(), journal)
        with monkeypatch.context() as patch:
            patch.setattr("threading.Thread.start", _no_thread)
            with pytest.raises(RuntimeError, match="no thread"):
                new.adopt(fd, state)
        assert fs.counts == {}
        new.adopt(kept, state)
        assert file.read() == CONTENT
    new.stop(timeout_seconds=PATIENCE_SECONDS)
    assert footprint() == before


def _no_thread(_: threading.Thread) -> None:
    raise RuntimeError("no thread")
