"""Directories with everything in them that a directory can hold."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from cachefs.errors import OriginDenied, OriginError, OriginNotFound, OriginUnavailable
from cachefs.origin import OriginSettings, parse_source
from cachefs.origin.opening import open_origin
from cachefs.origin.posix import PAGE_OBJECTS, PosixOrigin, _origin_error
from cachefs.types import ByteRange, Deadline


def soon() -> Deadline:
    return Deadline.after(30)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "source"
    root.mkdir()
    return root


def open_posix(root: Path, *symlink_roots: Path) -> PosixOrigin:
    settings = OriginSettings(symlink_roots=tuple(str(path) for path in symlink_roots))
    origin = open_origin(parse_source(f"file://{root}"), settings, state_dir=root)
    assert isinstance(origin, PosixOrigin)
    return origin


def names(origin: PosixOrigin, root: Path) -> list[str]:
    return [info.key.removeprefix(f"{root}/") for page in origin.list(f"{root}/", soon()) for info in page]


def test_names_come_in_byte_order_and_in_pages(root: Path) -> None:
    for name in ("b", "ä", "a.txt", "B", "a/x"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    for number in range(PAGE_OBJECTS):
        (root / f"c{number:05}").touch()
    origin = open_posix(root)
    assert names(origin, root)[:4] == ["B", "a/x", "a.txt", "b"]
    assert [len(page) for page in origin.list(f"{root}/", soon())] == [PAGE_OBJECTS, 5]


def test_names_that_are_no_utf8(root: Path) -> None:
    with open(os.fsencode(root) + b"/caf\xe9", "wb") as file:
        file.write(b"x")
    origin = open_posix(root)
    (info,) = next(iter(origin.list(f"{root}/", soon())))
    assert os.fsencode(info.key).endswith(b"caf\xe9")
    assert [bytes(piece) for piece in origin.read(info, ByteRange(0, 1), soon())] == [b"x"]


def test_links_inside_the_source_are_followed(root: Path) -> None:
    (root / "blobs").mkdir()
    (root / "blobs" / "abc").write_bytes(b"weights")
    (root / "snapshot").mkdir()
    (root / "snapshot" / "model").symlink_to("../blobs/abc")
    (root / "latest").symlink_to("snapshot")
    origin = open_posix(root)
    assert names(origin, root) == ["blobs/abc", "latest/model", "snapshot/model"]
    info = origin.stat(f"{root}/latest/model", soon())
    assert b"".join(bytes(p) for p in origin.read(info, ByteRange(0, info.size_bytes), soon())) == b"weights"
    assert origin.statistics() == {}


def test_what_cannot_be_shown_is_counted(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (root / "good").touch()
    (tmp_path / "secret").write_text("not yours")
    (root / "escape").symlink_to(tmp_path / "secret")
    (root / "escape-dir").symlink_to("/etc")
    (root / "broken").symlink_to("nothing")
    (root / "itself").symlink_to("itself")
    (root / "loop").symlink_to(".")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(root / "socket"))
    origin = open_posix(root)
    with caplog.at_level(logging.INFO):
        assert names(origin, root) == ["good"]
    assert origin.statistics() == {
        "links out of the source": 2,
        "broken links": 2,
        "loops of links": 1,
        "special files": 2,
    }
    assert "2 links out of the source" in caplog.text
    for name in ("escape", "fifo", "broken"):
        with pytest.raises(OriginNotFound, match=name):
            origin.stat(f"{root}/{name}", soon())


def test_links_may_lead_into_allowed_roots(root: Path, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    hub.mkdir()
    (hub / "blob").touch()
    (tmp_path / "hub-not").touch()
    (root / "model").symlink_to(hub / "blob")
    (root / "other").symlink_to(tmp_path / "hub-not")
    assert names(open_posix(root, hub), root) == ["model"]


@pytest.mark.parametrize("key", ["/etc/passwd", "{root}/../secret", "{root}-other/x", "relative"])
def test_keys_outside_the_source(root: Path, tmp_path: Path, key: str) -> None:
    (tmp_path / "secret").touch()
    with pytest.raises(OriginNotFound, match="not below"):
        open_posix(root).stat(key.format(root=root), soon())


def test_a_source_that_is_not_there(root: Path) -> None:
    (root / "file").touch()
    origin = open_posix(root)
    with pytest.raises(OriginNotFound) as caught:
        list(origin.list(f"{root}/nothing/", soon()))
    assert "mounted" in caught.value.hint or "removed" in caught.value.hint
    with pytest.raises(OriginNotFound):
        list(origin.list(f"{root}/file/", soon()))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError(2, "No such file"), OriginNotFound),
        (NotADirectoryError(20, "Not a directory"), OriginNotFound),
        (PermissionError(13, "Permission denied"), OriginDenied),
        (OSError(5, "Input/output error"), OriginUnavailable),
        (OSError(116, "Stale file handle"), OriginUnavailable),
    ],
)
def test_errors_of_the_system(error: OSError, kind: type[OriginError]) -> None:
    ours = _origin_error("read file:///x", error)
    assert type(ours) is kind
    assert str(ours) == f"read file:///x: {error.strerror}"
    assert ours.hint


def test_buffers_are_used_again(root: Path, count_descriptors: Callable[[], int]) -> None:
    (root / "a").write_bytes(b"x" * 100)
    origin = open_posix(root)
    info = origin.stat(f"{root}/a", soon())
    before = count_descriptors()
    for _ in range(5):
        list(origin.read(info, ByteRange(0, 100), soon()))
    assert len(origin._buffers) == 1
    assert count_descriptors() == before


@pytest.fixture
def count_descriptors() -> Callable[[], int]:
    return lambda: len(os.listdir("/proc/self/fd"))
