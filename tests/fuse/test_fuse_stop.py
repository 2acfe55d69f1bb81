"""Interrupts, and the end of a mount: nobody waits for ever, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.fuse import FuseMount, MountOptions, is_mounted
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import PATIENCE_SECONDS, child, finish, footprint, line_of, mounted, tell
from tests.waiting import eventually

SIZE_BYTES = 8 * 2**20

# Opens; then, line by line: reads one block at the offset it is told, and prints its first byte or the errno.
READER = """
import mmap, os, signal, sys
def interrupted(*_): raise InterruptedError(4, "interrupted")
signal.signal(signal.SIGUSR1, interrupted)
direct = os.O_DIRECT if sys.argv[2] == "direct" else 0
fd = os.open(sys.argv[1], os.O_RDONLY | direct)
buffer = mmap.mmap(-1, 4096)
print("open", flush=True)
for line in sys.stdin:
    try:
        os.preadv(fd, [buffer], int(line))
        print(buffer[0], flush=True)
    except OSError as error:
        print("errno", error.errno, flush=True)
"""


@pytest.fixture
def fs(tmp_path: Path) -> DirectoryFileSystem:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"*" * SIZE_BYTES)
    return DirectoryFileSystem(tmp_path / "source", complete=set())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "mount" / "file"


@pytest.fixture
def mount(fs: DirectoryFileSystem, tmp_path: Path) -> Iterator[FuseMount]:
    with mounted(fs, tmp_path / "mount") as mount:
        yield mount


def test_a_signal_interrupts_a_parked_read(fs: DirectoryFileSystem, mount: FuseMount, path: Path) -> None:
    reader = child(READER, path, "direct")
    line_of(reader)
    fs.park = True
    tell(reader, "0")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    reader.send_signal(signal.SIGUSR1)
    assert line_of(reader) == f"errno {errno.EINTR}"
    fs.answer_parked()  # too late: swallowed
    tell(reader, "4096")
    assert line_of(reader) == str(ord("*"))
    assert finish(reader)[0] == 0
    assert mount.statistics().requests["INTERRUPT"] >= 1


@pytest.mark.parametrize("how", ["direct", "buffered"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_reader_can_be_killed_while_its_read_is_parked(
    fs: DirectoryFileSystem, mount: FuseMount, path: Path, how: str, number: signal.Signals
) -> None:
    reader = child("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)\n" + READER, path, how)
    line_of(reader)
    fs.park = True
    tell(reader, "0")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    reader.send_signal(number)
    assert finish(reader)[0] == -number
    fs.answer_parked()
    assert path.read_bytes() == b"*" * SIZE_BYTES


def test_parked_reads_occupy_no_thread(fs: DirectoryFileSystem, mount: FuseMount, path: Path) -> None:
    readers = [child(READER, path, "direct") for _ in range(2 * MountOptions().threads)]
    for reader in readers:
        line_of(reader)
    fs.park = True
    for index, reader in enumerate(readers):
        tell(reader, str(4096 * index))
    for _ in readers:
        assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    assert path.stat().st_size == SIZE_BYTES
    assert os.listdir(path.parent) == ["file"]
    fs.answer_parked()
    assert [line_of(reader) for reader in readers] == [str(ord("*"))] * len(readers)
    assert [finish(reader)[0] for reader in readers] == [0] * len(readers)


@pytest.mark.parametrize("how", ["direct", "buffered"])
def test_stop_while_reads_are_parked(fs: DirectoryFileSystem, tmp_path: Path, path: Path, how: str) -> None:
    before = footprint()
    mount = FuseMount(fs, tmp_path / "mount", MountOptions())
    mount.start()
    reader = child(READER, path, how)
    line_of(reader)
    fs.park = True
    tell(reader, "0")
    assert fs.parked_count.acquire(timeout=PATIENCE_SECONDS)
    mount.stop(timeout_seconds=0.0)
    assert footprint() == before
    assert not is_mounted(tmp_path / "mount")
    failed = {f"errno {number}" for number in (errno.EIO, errno.ENOTCONN, errno.ECONNABORTED)}
    assert line_of(reader) in failed
    tell(reader, "4096")
    assert line_of(reader) in failed
    assert finish(reader)[0] == 0
    fs.answer_parked()  # after the end: swallowed
    assert fs.handles == {}


def test_open_files_are_served_until_they_are_closed(fs: DirectoryFileSystem, tmp_path: Path, path: Path) -> None:
    mount = FuseMount(fs, tmp_path / "mount", MountOptions())
    mount.start()
    reader = child(READER, path, "direct")
    line_of(reader)
    stopper = threading.Thread(target=mount.stop, kwargs={"timeout_seconds": PATIENCE_SECONDS})
    stopper.start()
    eventually(lambda: not is_mounted(tmp_path / "mount"), "it is unmounted")
    tell(reader, "4096")
    assert line_of(reader) == str(ord("*"))
    assert stopper.is_alive()
    assert finish(reader)[0] == 0
    stopper.join(PATIENCE_SECONDS)
    assert not stopper.is_alive()
    assert fs.handles == {}


@pytest.mark.parametrize("how", ["direct", "buffered"])
def test_passthrough_files_outlive_the_mount(fs: DirectoryFileSystem, tmp_path: Path, path: Path, how: str) -> None:
    fs.complete = None
    mount = FuseMount(fs, tmp_path / "mount", MountOptions(passthrough=True))
    mount.start()
    reader = child(READER, path, how)
    line_of(reader)
    mount.stop(timeout_seconds=0.0)
    assert fs.handles == {}
    tell(reader, "4096")
    assert line_of(reader) == str(ord("*"))
    assert finish(reader)[0] == 0


def test_stop_is_idempotent_and_statistics_stay(fs: DirectoryFileSystem, tmp_path: Path, path: Path) -> None:
    mount = FuseMount(fs, tmp_path / "mount", MountOptions())
    mount.stop(timeout_seconds=0.0)
    mount.start()
    assert path.exists()
    mount.stop(timeout_seconds=PATIENCE_SECONDS)
    mount.stop(timeout_seconds=PATIENCE_SECONDS)
    mount.invalidate_inode(fs.ino_of(fs.root))
    mount.invalidate_entry(fs.ino_of(fs.root), b"file")
    assert mount.statistics().requests["LOOKUP"] >= 1
    assert not mount.passthrough


def test_a_mount_that_somebody_else_unmounted_can_be_stopped(
    fs: DirectoryFileSystem, tmp_path: Path, path: Path
) -> None:
    before = footprint()
    mount = FuseMount(fs, tmp_path / "mount", MountOptions())
    mount.start()
    assert os.waitstatus_to_exitcode(os.system(f"umount {tmp_path / 'mount'}")) == 0
    mount.stop(timeout_seconds=PATIENCE_SECONDS)
    assert footprint() == before


def test_two_mounts_live_side_by_side(fs: DirectoryFileSystem, tmp_path: Path) -> None:
    before = footprint()
    mounts = [FuseMount(fs, tmp_path / name, MountOptions()) for name in "ab"]
    for mount in mounts:
        mount.start()
    assert os.stat(tmp_path / "a").st_dev != os.stat(tmp_path / "b").st_dev
    assert (tmp_path / "a" / "file").read_bytes() == (tmp_path / "b" / "file").read_bytes()
    mounts[0].stop(timeout_seconds=PATIENCE_SECONDS)
    assert (tmp_path / "b" / "file").read_bytes() == b"*" * SIZE_BYTES
    mounts[1].stop(timeout_seconds=PATIENCE_SECONDS)
    assert footprint() == before


def test_twenty_mounts_one_after_another(fs: DirectoryFileSystem, tmp_path: Path, path: Path) -> None:
    for _ in range(20):
        with mounted(fs, tmp_path / "mount"):
            assert path.stat().st_size == SIZE_BYTES
