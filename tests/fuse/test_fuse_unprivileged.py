"""Mounting without CAP_SYS_ADMIN: through fusermount3, in a process that has really lost the right."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import FuseUnavailable, MountError
from cachefs.fuse import FuseMount, MountOptions, is_mounted, mounting
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import footprint, python

NOBODY = 65534
DATA = os.urandom(3 * 2**20 + 17)

BECOME_NOBODY = f"os.setgroups([]); os.setresgid(*[{NOBODY}] * 3); os.setresuid(*[{NOBODY}] * 3)"

# capset(2), version 3: everything but CAP_SYS_ADMIN (21). The bounding set stays, so a program run by root, such as
# fusermount3, has it again.
DROP_SYS_ADMIN = """
import ctypes, struct
libc = ctypes.CDLL(None, use_errno=True)
header, data = struct.pack("<Ii", 0x20080522, 0), ctypes.create_string_buffer(24)
assert libc.capget(header, data) == 0
words = list(struct.unpack("<6I", data.raw))
words[0] &= ~(1 << 21); words[1] &= ~(1 << 21)
assert libc.capset(header, struct.pack("<6I", *words)) == 0
"""

MOUNT = """
import logging, os, subprocess, sys
from pathlib import Path
sys.path.insert(0, os.getcwd())
from cachefs.fuse import FuseMount, MountOptions, is_mounted
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import footprint
logging.basicConfig(level=logging.INFO)
source, target = map(Path, sys.argv[1:])
{lose_the_right}
before = footprint()
mount = FuseMount(DirectoryFileSystem(source), target, MountOptions(fs_name="nas://a, b\\\\c"))
mount.start()
print("passthrough", mount.passthrough)
path = target / "file"
print("same", subprocess.run(["cat", path], capture_output=True, check=True).stdout == (source / "file").read_bytes())
print("source", subprocess.run(["findmnt", "-no", "SOURCE", target], capture_output=True).stdout.decode().strip())
print("writable", os.access(path, os.W_OK), "uid", os.getuid())
mount.stop(timeout_seconds=30.0)
print("mounted", is_mounted(target))
print("clean", footprint() == before)
"""

EXPECTED = [
    "passthrough False",
    "same True",
    "source nas://a, b\\c",
    "writable False uid {uid}",
    "mounted False",
    "clean True",
]


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """(source, target) that everybody may enter; the target belongs to nobody."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    (source / "file").write_bytes(DATA)
    os.chown(target, NOBODY, NOBODY)
    closed = [parent for parent in tmp_path.parents if not parent.stat().st_mode & stat.S_IXOTH]
    modes = {parent: stat.S_IMODE(parent.stat().st_mode) for parent in (tmp_path, *closed)}
    for parent, mode in modes.items():
        parent.chmod(mode | stat.S_IXOTH)
    yield source, target
    for parent, mode in modes.items():
        parent.chmod(mode)


@pytest.fixture
def open_device() -> Iterator[None]:
    """As udev sets it up on a desktop: everybody may open the device."""
    device = Path(mounting.DEVICE)
    mode = stat.S_IMODE(device.stat().st_mode)
    device.chmod(0o666)
    yield
    device.chmod(mode)


def test_as_a_user(tree: tuple[Path, Path], open_device: None) -> None:
    lines = python(MOUNT.format(lose_the_right=BECOME_NOBODY), *tree).splitlines()
    assert lines == [line.format(uid=NOBODY) for line in EXPECTED]


def test_as_root_without_the_capability(tree: tuple[Path, Path]) -> None:
    lines = python(MOUNT.format(lose_the_right=DROP_SYS_ADMIN), *tree).splitlines()
    assert lines == [line.format(uid=0) for line in EXPECTED]


def test_without_the_right_and_without_the_helper(tree: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_right(*_: object) -> int:
        raise PermissionError(1, "not permitted")

    before = footprint()
    monkeypatch.setattr(mounting, "_mount_directly", no_right)
    monkeypatch.setattr(mounting, "HELPER", "no-such-helper")
    with pytest.raises(FuseUnavailable, match="no right to mount, and no no-such-helper") as caught:
        FuseMount(DirectoryFileSystem(tree[0]), tree[1], MountOptions()).start()
    assert "install fuse3" in caught.value.hint
    assert footprint() == before


def test_a_helper_that_fails_is_quoted(tree: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def no_right(*_: object) -> int:
        raise PermissionError(1, "not permitted")

    monkeypatch.setattr(mounting, "_mount_directly", no_right)
    monkeypatch.setattr(mounting, "_data_options", lambda **_: ["no_such_option"])
    with pytest.raises(MountError, match=r"fusermount3: .*no_such_option"):
        FuseMount(DirectoryFileSystem(tree[0]), tree[1], MountOptions()).start()
    assert not is_mounted(tree[1])


def test_a_missing_device_is_named(tree: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounting, "DEVICE", "/dev/no-such-device")
    with pytest.raises(FuseUnavailable, match="/dev/no-such-device"):
        FuseMount(DirectoryFileSystem(tree[0]), tree[1], MountOptions()).start()


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("user_allow_other\n", True),
        ("# user_allow_other\n", False),
        ("mount_max = 10\n  user_allow_other # yes\n", True),
        ("", False),
    ],
)
def test_fuse_conf(text: str, allowed: bool) -> None:
    assert mounting.user_allow_other(text) is allowed
