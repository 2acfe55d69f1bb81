"""Files that change while they are read, and mounts of a NAS that fail. Uses real bind mounts."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from cachefs.errors import ObjectChanged, OriginError, OriginTimeout, OriginUnavailable
from cachefs.origin import NasSettings, OriginSettings, parse_source
from cachefs.origin.nas import is_mounted
from cachefs.origin.opening import open_origin
from cachefs.ports import PIECE_BYTES, Origin
from cachefs.types import ByteRange, Deadline
from tests.contract.origin_worlds import bind_mount

DATA = b"old!" * PIECE_BYTES


def soon() -> Deadline:
    return Deadline.after(30)


def write_in_place(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(3 * PIECE_BYTES)
        file.write(b"new!")


def shrink(path: Path) -> None:
    os.truncate(path, PIECE_BYTES)


@pytest.mark.parametrize("change", [write_in_place, shrink])
def test_a_file_that_changes_between_two_pieces(tmp_path: Path, change: object) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    os.utime(path, ns=(1, 1))
    origin = open_origin(parse_source(f"file://{tmp_path}"), OriginSettings(), state_dir=tmp_path)
    pieces = iter(origin.read(origin.stat(str(path), soon()), ByteRange(0, len(DATA)), soon()))
    assert bytes(next(pieces)) == DATA[:PIECE_BYTES]
    assert callable(change)
    change(path)
    with pytest.raises(ObjectChanged, match=r"a\.bin"):
        next(pieces)
    origin.close()


def test_a_file_replaced_by_another_is_read_to_its_end(tmp_path: Path) -> None:
    """The open descriptor keeps the version that was asked for; only the next read sees the new file."""
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    origin = open_origin(parse_source(f"file://{tmp_path}"), OriginSettings(), state_dir=tmp_path)
    info = origin.stat(str(path), soon())
    pieces = iter(origin.read(info, ByteRange(0, len(DATA)), soon()))
    got = bytes(next(pieces))
    (tmp_path / "new").write_bytes(DATA[::-1])
    (tmp_path / "new").rename(path)
    assert got + b"".join(bytes(piece) for piece in pieces) == DATA
    with pytest.raises(ObjectChanged):
        list(origin.read(info, ByteRange(0, 1), soon()))
    origin.close()


def test_close_ends_a_read(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(DATA)
    origin = open_origin(parse_source(f"file://{tmp_path}"), OriginSettings(), state_dir=tmp_path)
    pieces = iter(origin.read(origin.stat(str(path), soon()), ByteRange(0, len(DATA)), soon()))
    next(pieces)
    origin.close()
    with pytest.raises(OriginUnavailable, match="closed"):
        next(pieces)


def open_nas(settings: NasSettings, state_dir: Path) -> Origin:
    source = parse_source("nas://filer.example/export")
    return open_origin(source, OriginSettings(nas=settings), state_dir=state_dir)


def mounts_below(path: Path) -> list[str]:
    return [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(path) in line]


def test_two_origins_share_a_mount_and_the_last_one_unmounts(tmp_path: Path) -> None:
    export = tmp_path / "server"
    export.mkdir()
    (export / "a.bin").write_bytes(b"x")
    state = tmp_path / "state with blank"
    first, second = (open_nas(bind_mount(tmp_path, export), state) for _ in range(2))
    assert len(mounts_below(tmp_path / "state")) == 1
    first.close()
    first.close()
    assert second.stat("/export/a.bin", soon()).uri == "nas://filer.example/export/a.bin"
    second.close()
    assert mounts_below(tmp_path / "state") == []


def test_a_mount_left_by_a_killed_daemon_is_adopted(tmp_path: Path) -> None:
    export = tmp_path / "server"
    export.mkdir()
    (export / "a.bin").write_bytes(b"x")
    dead = open_nas(bind_mount(tmp_path, export), tmp_path / "state")
    os.close(dead._mount._lock_fd)  # type: ignore[attr-defined]  # what the kernel does for a killed process
    adopted = open_nas(NasSettings(mount_command=("false",)), tmp_path / "state")
    assert adopted.stat("/export/a.bin", soon()).size_bytes == 1
    adopted.close()
    assert mounts_below(tmp_path / "state") == []


def failing(tmp_path: Path, script: str) -> NasSettings:
    helper = tmp_path / "mount.failing"
    helper.write_text(f"#!/bin/sh\n{script}\n")
    helper.chmod(0o755)
    return NasSettings(mount_command=(str(helper), "-t", "nfs"), mount_options="ro,soft", mount_timeout_seconds=20)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ('echo "mount.nfs: access denied by server while mounting $5" >&2; exit 32', "access denied by server"),
        ('echo "$@"; exit 1', "-t nfs -o ro,soft filer.example:/export"),
        ("exit 32", "exit status 32"),
    ],
)
def test_what_the_mount_helper_says_is_repeated(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(OriginUnavailable, match=said) as caught:
        open_nas(failing(tmp_path, script), tmp_path / "state")
    assert "try it by hand" in caught.value.hint
    assert mounts_below(tmp_path / "state") == []


def test_a_mount_helper_that_hangs_or_is_missing(tmp_path: Path) -> None:
    hanging = replace(failing(tmp_path, "exec sleep 600"), mount_timeout_seconds=0.2)
    with pytest.raises(OriginTimeout, match="no end within"):
        open_nas(hanging, tmp_path / "state")
    with pytest.raises(OriginUnavailable, match="No such file") as caught:
        open_nas(NasSettings(mount_command=("/no/such/mount",)), tmp_path / "state")
    assert "nfs-common" in caught.value.hint


def test_a_state_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OriginError, match="mount filer") as caught:
        open_nas(NasSettings(), tmp_path / "file" / "state")
    assert "state_dir" in caught.value.hint


def test_is_mounted() -> None:
    assert is_mounted(Path("/proc"))
    assert not is_mounted(Path("/proc/self"))
