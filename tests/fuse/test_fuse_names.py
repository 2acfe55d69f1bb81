"""Names, attributes, listings and what a read-only mount refuses, seen with a user's own programs."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cachefs.errors import InvalidTarget
from cachefs.fuse import FuseMount, MountOptions, is_mounted
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import mounted, run
from tests.waiting import eventually

ENTRIES = 10_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    (root / "directory" / "deep").mkdir(parents=True)
    (root / "file").write_bytes(b"twelve bytes")
    (root / "directory" / "deep" / "leaf").write_bytes(b"leaf\n")
    os.utime(root / "file", ns=(1, 1_700_000_000_123_456_789))
    return root


@pytest.fixture
def fs(source: Path) -> DirectoryFileSystem:
    return DirectoryFileSystem(source, complete=set())


@pytest.fixture
def mount(fs: DirectoryFileSystem, tmp_path: Path) -> Iterator[FuseMount]:
    with mounted(fs, tmp_path / "mount", MountOptions(fs_name="oss://bucket/a, b")) as mount:
        yield mount


@pytest.fixture
def root(mount: FuseMount, tmp_path: Path) -> Path:
    return tmp_path / "mount"


def test_attributes(root: Path) -> None:
    file, directory = os.stat(root / "file"), os.stat(root / "directory")
    assert stat.filemode(file.st_mode) == "-r--r--r--"
    assert stat.filemode(directory.st_mode) == "dr-xr-xr-x"
    assert (file.st_size, file.st_blocks, file.st_mtime_ns) == (12, 1, 1_700_000_000_123_456_789)
    assert len({file.st_ino, directory.st_ino, os.stat(root).st_ino}) == 3
    assert run("stat", "--format=%s %W", root / "file").stdout == b"12 0\n"  # asks for a birth time, by statx(2)


def test_find_and_grep_see_the_same_tree(root: Path, source: Path) -> None:
    found = run("find", root, "-printf", "%P %y %s\n", "-type", "f").stdout
    wanted = run("find", source, "-printf", "%P %y %s\n", "-type", "f").stdout
    files = re.compile(rb"^.* f \d+$", re.MULTILINE)
    assert sorted(files.findall(found)) == sorted(files.findall(wanted))
    assert run("grep", "-rl", "leaf", root).stdout.decode().strip() == str(root / "directory/deep/leaf")


@pytest.mark.expects_warnings
def test_missing_names(root: Path) -> None:
    for path, number in (
        ("missing", errno.ENOENT),
        ("directory/missing/more", errno.ENOENT),
        ("file/below", errno.ENOTDIR),
        ("x" * 256, errno.ENAMETOOLONG),
    ):
        with pytest.raises(OSError, match=os.strerror(number)):
            os.stat(root / path)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        (root / "file").readlink()
    with pytest.raises(IsADirectoryError):
        (root / "directory").read_bytes()


def test_nothing_can_be_written(root: Path) -> None:
    actions: dict[str, Callable[[], object]] = {
        "create": (root / "new").touch,
        "append": lambda: open(root / "file", "a"),  # noqa: SIM115 it fails
        "truncate": lambda: os.truncate(root / "file", 0),
        "mkdir": (root / "new").mkdir,
        "unlink": (root / "file").unlink,
        "rmdir": (root / "directory").rmdir,
        "rename": lambda: (root / "file").rename(root / "other"),
        "symlink": lambda: (root / "link").symlink_to("file"),
        "hard link": lambda: (root / "link").hardlink_to(root / "file"),
        "chmod": lambda: (root / "file").chmod(0o777),
        "chown": lambda: os.chown(root / "file", 1, 1),
        "utime": lambda: os.utime(root / "file"),
        "setxattr": lambda: os.setxattr(root / "file", b"user.x", b"y"),
        "removexattr": lambda: os.removexattr(root / "file", b"user.mows.blob"),
        "mknod": lambda: os.mkfifo(root / "fifo"),
    }
    results: dict[str, int | None] = {}
    for name, action in actions.items():
        with pytest.raises(OSError, match=r"Read-only") as caught:
            action()
        results[name] = caught.value.errno
    assert set(results.values()) == {errno.EROFS}
    assert not os.access(root / "file", os.W_OK)
    assert os.access(root / "file", os.R_OK)


def test_extended_attributes(root: Path) -> None:
    path = root / "file"
    assert os.listxattr(path) == ["user.mows.blob", "user.mows.source"]
    assert os.getxattr(path, "user.mows.blob") == b"0123456789abcdef"
    with pytest.raises(OSError, match=os.strerror(errno.ENODATA)):
        os.getxattr(path, "user.other")
    assert b"total" in run("ls", "-l", root).stdout


def test_statvfs(root: Path, source: Path) -> None:
    status = os.statvfs(root)
    assert status.f_blocks * status.f_frsize == 4096  # 17 bytes, in blocks
    assert (status.f_bfree, status.f_bavail, status.f_files, status.f_namemax) == (0, 0, 2, 255)
    assert status.f_flag & os.ST_RDONLY
    assert status.f_flag & os.ST_NOSUID


def test_the_source_is_shown_and_the_read_ahead_is_raised(root: Path) -> None:
    assert run("findmnt", "-no", "SOURCE,FSTYPE", root).stdout.split() == [b"oss://bucket/a,", b"b", b"fuse.mows"]
    device = os.stat(root).st_dev
    setting = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb").read_text()
    assert int(setting) == MountOptions().read_ahead_bytes // 1024


def test_a_directory_of_ten_thousand(source: Path, root: Path) -> None:
    names = {f"entry-{number:05}" for number in range(ENTRIES)}
    for name in names:
        (source / "directory" / "deep" / name).touch()
    path = root / "directory" / "deep"
    assert set(os.listdir(path)) == names | {"leaf"}
    rows = run("ls", "-lAU", path).stdout.splitlines()
    assert len(rows) == 1 + ENTRIES + 1  # a line of totals
    with os.scandir(path) as entries:
        assert sum(entry.is_file() for entry in entries) == ENTRIES + 1


def test_a_name_that_appears_is_seen_once_its_entry_is_invalidated(
    fs: DirectoryFileSystem, mount: FuseMount, root: Path, source: Path
) -> None:
    assert (root / "file").stat().st_size == 12
    (source / "file").write_bytes(b"longer than before")
    assert (root / "file").stat().st_size == 12
    mount.invalidate_entry(fs.ino_of(source), b"file")
    mount.invalidate_inode(fs.ino_of(source / "file"))
    eventually(lambda: (root / "file").stat().st_size == 18, "the new size is seen")


@pytest.mark.expects_warnings
def test_an_inode_of_no_snapshot_is_stale(tmp_path: Path, fs: DirectoryFileSystem, source: Path) -> None:
    options = MountOptions(entry_timeout_seconds=60.0, attr_timeout_seconds=0.0)
    with mounted(fs, tmp_path / "other", options):
        path = tmp_path / "other" / "file"
        ino = path.stat().st_ino
        fs._paths.clear()
        with pytest.raises(OSError, match=os.strerror(errno.ESTALE)):
            path.stat()
        assert ino > 1


def test_an_unknown_target_is_made_and_removed(fs: DirectoryFileSystem, tmp_path: Path) -> None:
    target = tmp_path / "not" / "there"
    with mounted(fs, target):
        assert (target / "file").exists()
    assert not (tmp_path / "not").exists()


def test_a_second_mount_on_one_target_is_refused(fs: DirectoryFileSystem, mount: FuseMount, root: Path) -> None:
    second = FuseMount(fs, root, MountOptions())
    with pytest.raises(InvalidTarget, match="mounted there already"):
        second.start()
    second.stop(timeout_seconds=0)
    assert is_mounted(root)
