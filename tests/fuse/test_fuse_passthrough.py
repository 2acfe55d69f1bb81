"""One inode, one mode: what the kernel itself accepts, with opens and mappings that live in other processes."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from cachefs.errors import FuseUnavailable
from cachefs.fuse import FuseMount, MountOptions, codec, is_mounted
from cachefs.fuse.abi import InitFlag
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import PATIENCE_SECONDS, child, finish, footprint, line_of, mounted, tell
from tests.waiting import eventually

DATA = b"0123456789abcdef" * 65536

# Opens, maps, closes the descriptor; then prints the byte at each offset it is told.
MAPPER = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
print(data[0], flush=True)
for line in sys.stdin:
    print(data[int(line)], flush=True)
"""


@pytest.fixture
def fs(tmp_path: Path) -> DirectoryFileSystem:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(DATA)
    (tmp_path / "source" / "other").write_bytes(DATA)
    return DirectoryFileSystem(tmp_path / "source", complete=set())


@pytest.fixture
def mount(fs: DirectoryFileSystem, tmp_path: Path) -> Iterator[FuseMount]:
    with mounted(fs, tmp_path / "mount", MountOptions(passthrough=True)) as mount:
        yield mount


@pytest.fixture
def path(mount: FuseMount, tmp_path: Path) -> Path:
    return tmp_path / "mount" / "file"


def opens(mount: FuseMount) -> tuple[int, int]:
    """(cached, passthrough) opens so far."""
    statistics = mount.statistics()
    return statistics.cached_opens, statistics.passthrough_opens


def close(fs: DirectoryFileSystem, mapper: subprocess.Popen[str]) -> None:
    """End a mapper, and wait for its release."""
    assert finish(mapper)[0] == 0
    assert fs.released.acquire(timeout=PATIENCE_SECONDS)


def test_a_blob_that_gets_complete_while_it_is_mapped(fs: DirectoryFileSystem, mount: FuseMount, path: Path) -> None:
    mapper = child(MAPPER, path)
    assert line_of(mapper) == str(ord("0"))
    fs.complete = {"file"}
    assert path.read_bytes() == DATA  # the kernel would refuse passthrough with EIO
    assert fs.released.acquire(timeout=PATIENCE_SECONDS)
    assert opens(mount) == (2, 0)
    tell(mapper, str(len(DATA) - 1))
    assert line_of(mapper) == str(ord("f"))
    close(fs, mapper)
    assert path.read_bytes() == DATA
    assert opens(mount) == (2, 1)


def test_opens_beside_a_passthrough_mapping_share_its_backing_file(
    fs: DirectoryFileSystem, mount: FuseMount, path: Path
) -> None:
    fs.complete = None
    mapper = child(MAPPER, path)
    assert line_of(mapper) == str(ord("0"))
    for _ in range(3):
        assert path.read_bytes() == DATA
        assert fs.released.acquire(timeout=PATIENCE_SECONDS)
    assert opens(mount) == (0, 4)
    close(fs, mapper)
    assert mount.statistics().requests.get("READ", 0) == 0


def test_a_file_that_is_not_complete_any_more_is_refused_until_passthrough_has_ended(
    fs: DirectoryFileSystem, mount: FuseMount, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fs.complete = {"file"}
    mapper = child(MAPPER, path)
    assert line_of(mapper) == str(ord("0"))
    fs.complete = set()
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        path.read_bytes()
    assert "not complete any more" in caplog.text
    assert fs.released.acquire(timeout=PATIENCE_SECONDS)
    close(fs, mapper)
    assert path.read_bytes() == DATA
    assert opens(mount) == (1, 1)


def test_inodes_have_modes_of_their_own(fs: DirectoryFileSystem, mount: FuseMount, path: Path) -> None:
    fs.complete = {"other"}
    mapper = child(MAPPER, path)
    assert line_of(mapper) == str(ord("0"))
    assert (path.parent / "other").read_bytes() == DATA
    assert opens(mount) == (1, 1)
    close(fs, mapper)


def test_a_second_cached_open_reads_the_page_cache(fs: DirectoryFileSystem, mount: FuseMount, path: Path) -> None:
    for _ in range(2):
        assert path.read_bytes() == DATA
        assert fs.released.acquire(timeout=PATIENCE_SECONDS)
    assert opens(mount) == (2, 0)
    assert mount.statistics().delivered_bytes == len(DATA)


def test_the_second_copy_is_dropped_when_a_complete_file_is_closed(
    fs: DirectoryFileSystem, mount: FuseMount, path: Path
) -> None:
    with open(path, "rb") as file:
        assert file.read() == DATA
        fs.complete = {"file"}
    assert fs.released.acquire(timeout=PATIENCE_SECONDS)
    fs.complete = set()

    def reads_from_the_daemon() -> bool:
        assert path.read_bytes() == DATA
        return mount.statistics().delivered_bytes > len(DATA)

    eventually(reads_from_the_daemon, "reads come from the daemon")


def test_without_passthrough_the_page_cache_is_kept(fs: DirectoryFileSystem, tmp_path: Path) -> None:
    fs.complete = None
    with mounted(fs, tmp_path / "mount", MountOptions(passthrough=False)) as mount:
        assert not mount.passthrough
        for _ in range(3):
            assert (tmp_path / "mount" / "file").read_bytes() == DATA
            assert fs.released.acquire(timeout=PATIENCE_SECONDS)
        assert opens(mount) == (3, 0)
        assert mount.statistics().delivered_bytes == len(DATA)


def test_backing_files_are_given_back(fs: DirectoryFileSystem, mount: FuseMount, path: Path, tmp_path: Path) -> None:
    """The kernel holds a registered file open even if we close it: then its file system could not be unmounted."""
    fs.complete = None
    backing = tmp_path / "backing"
    backing.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", backing], check=True)
    try:
        (backing / "file").write_bytes(DATA)
        (fs.root / "file").unlink()
        (fs.root / "file").symlink_to(backing / "file")
        for _ in range(3):
            with open(path, "rb") as file:
                assert file.read(4) == DATA[:4]
            assert fs.released.acquire(timeout=PATIENCE_SECONDS)
        assert opens(mount) == (0, 3)
    finally:
        umount = partial(subprocess.run, ["umount", backing], check=False, capture_output=True)
        eventually(lambda: umount().returncode == 0, "nobody uses the backing file system")


def test_a_file_that_cannot_be_registered_is_served_in_cached_mode(
    fs: DirectoryFileSystem,
    mount: FuseMount,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(self: object, fd: int) -> int:
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))

    monkeypatch.setattr("cachefs.fuse.device.Device.backing_open", refuse)
    fs.complete = None
    for _ in range(3):
        assert path.read_bytes() == DATA
    assert opens(mount) == (3, 0)
    assert caplog.text.count("passthrough refused") == 1
    assert "overlayfs" in caplog.text


@pytest.mark.expects_warnings
def test_a_file_on_a_stacked_file_system_is_served_in_cached_mode(tmp_path: Path) -> None:
    """With the kernel's own refusal: overlayfs below FUSE is one file system too many."""
    lower, upper, work, merged = (tmp_path / name for name in ("lower", "upper", "work", "merged"))
    for directory in (lower, upper, work, merged):
        directory.mkdir()
    (lower / "file").write_bytes(DATA)
    layers = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, merged], check=True)
    try:
        with mounted(DirectoryFileSystem(merged), tmp_path / "mount", MountOptions(passthrough=True)) as mount:
            assert (tmp_path / "mount" / "file").read_bytes() == DATA
            assert opens(mount) == (1, 0)
    finally:
        subprocess.run(["umount", merged], check=True)


def test_passthrough_that_is_required_and_missing_leaves_nothing(
    fs: DirectoryFileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel before 6.9, made by not seeing what this one offers."""
    offered = codec.decode_init

    def old(body: memoryview) -> codec.InitRequest:
        return offered(body)._replace(flags=offered(body).flags & ~InitFlag.PASSTHROUGH)

    monkeypatch.setattr(codec, "decode_init", old)
    before = footprint()
    with pytest.raises(FuseUnavailable, match="cannot do FUSE passthrough") as caught:
        FuseMount(fs, tmp_path / "mount", MountOptions(passthrough=True)).start()
    assert "Linux 6.9" in caught.value.hint
    assert not is_mounted(tmp_path / "mount")
    assert not (tmp_path / "mount").exists()
    assert footprint() == before
    fs.complete = None
    with mounted(fs, tmp_path / "mount") as mount:
        assert not mount.passthrough
        assert (tmp_path / "mount" / "file").read_bytes() == DATA
