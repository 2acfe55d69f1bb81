"""The mounted file system over an in-memory cache."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cachefs.errors import NoSpace
from cachefs.fs import Account, MountedFileSystem, Snapshot, build_snapshot
from cachefs.origin.memory import MemoryOrigin
from cachefs.ports import Buffer, Origin, ReadReply, Waited
from cachefs.types import ROOT_INO, BlobId, BlobKey, ByteRange, Deadline, FileHandle, Ino, ObjectInfo


@dataclass
class CachedBytes:
    """An open file of `CacheTwin`: complete from the start when `backing_fd` is given."""

    info: ObjectInfo
    content: bytes
    following: Callable[[], Sequence[ObjectInfo]]
    backing_fd: int | None = None
    closed: bool = False

    @property
    def blob_id(self) -> BlobId:
        return BlobKey.of(self.info, 4).blob_id

    def read(self, offset: int, size: int, reply: ReadReply) -> None:
        reply.data(self.content[offset : offset + size])

    def close(self) -> None:
        assert not self.closed
        self.closed = True


@dataclass
class CacheTwin:
    """A cache that has every object of `origin` at once."""

    opened: list[CachedBytes] = field(default_factory=list)
    backing: dict[str, int] = field(default_factory=dict)
    refuse: bool = False

    def open(
        self,
        info: ObjectInfo,
        origin: Origin,
        *,
        account: Account,
        following: Callable[[], Sequence[ObjectInfo]],
        mount: str,
    ) -> CachedBytes:
        if self.refuse:
            raise NoSpace("no tier has room")
        content = b"".join(origin.read(info, ByteRange(0, info.size_bytes), Deadline.after(60)))
        account("origin", len(content))
        file = CachedBytes(info, content, following, self.backing.get(info.key))
        self.opened.append(file)
        return file

    def blob_id(self, info: ObjectInfo) -> BlobId:
        return BlobKey.of(info, 4).blob_id

    def resident_bytes(self, info: ObjectInfo) -> int:
        return info.size_bytes if info.key in self.backing else 1


@dataclass
class Reply:
    """Keeps the one answer."""

    answers: list[bytes | int] = field(default_factory=list)

    def file(self, fd: int, offset: int, length: int) -> OSError | None:
        self.answers.append(os.pread(fd, length, offset))
        return None

    def data(self, data: Buffer) -> None:
        self.answers.append(bytes(data))

    def error(self, errno: int) -> bool:
        self.answers.append(errno)
        return True

    def waited(self, waited: Waited) -> None:
        pass


class Stage:
    """A file system over three objects."""

    def __init__(self) -> None:
        self.origin = MemoryOrigin()
        self.origin.put("m/a.safetensors", b"alpha weights")
        self.origin.put("m/b.safetensors", b"beta")
        self.origin.put("m/sub/notes.txt", b"notes")
        self.cache = CacheTwin()
        self.accounted = 0
        self.fs = MountedFileSystem(
            self.listing(), self.origin, self.cache, source="oss://bucket/m/", account=self.account
        )

    def listing(self) -> Snapshot:
        return build_snapshot(self.origin.list("m/", Deadline.after(60)), "m/", "mount-1")

    def account(self, _source: str, count: int) -> None:
        self.accounted += count

    def ino(self, name: bytes) -> Ino:
        return self.fs.lookup(ROOT_INO, name).ino

    def read(self, handle: FileHandle, offset: int = 0, size: int = 100) -> bytes | int:
        reply = Reply()
        self.fs.read(handle, offset, size, reply)
        assert len(reply.answers) == 1
        return reply.answers[0]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def expect(number: int, call: Callable[[], object]) -> None:
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        call()
    assert caught.value.errno == number


def test_names_and_attributes(stage: Stage) -> None:
    attributes = stage.fs.lookup(ROOT_INO, b"a.safetensors")
    assert attributes.size_bytes == 13
    assert stage.fs.getattr(attributes.ino) == attributes
    assert [entry.name for entry in stage.fs.readdir(ROOT_INO)] == [b"a.safetensors", b"b.safetensors", b"sub"]
    assert stage.fs.total_bytes() == (22, 3)


def test_wrong_names_and_kinds(stage: Stage) -> None:
    file, directory = stage.ino(b"a.safetensors"), stage.ino(b"sub")
    expect(errno.ENOENT, lambda: stage.fs.lookup(ROOT_INO, b"missing"))
    expect(errno.ENOTDIR, lambda: stage.fs.lookup(file, b"x"))
    expect(errno.ENOTDIR, lambda: stage.fs.readdir(file))
    expect(errno.EISDIR, lambda: stage.fs.open(directory))
    expect(errno.ESTALE, lambda: stage.fs.getattr(Ino(12345)))


def test_opens_of_one_file_share_it_until_the_last_release(stage: Stage) -> None:
    ino = stage.ino(b"a.safetensors")
    first, second = stage.fs.open(ino), stage.fs.open(ino)
    assert len(stage.cache.opened) == 1
    stage.fs.release(first.handle)
    assert stage.read(second.handle, 6, 7) == b"weights"
    stage.fs.release(second.handle)
    assert stage.cache.opened[0].closed
    assert stage.read(second.handle) == errno.EBADF


def test_an_open_file_keeps_its_version_over_a_swap(stage: Stage) -> None:
    ino = stage.ino(b"a.safetensors")
    opened = stage.fs.open(ino)
    stage.origin.put("m/a.safetensors", b"ALPHA, second edition")
    stage.origin.remove("m/b.safetensors")
    change = stage.fs.swap(stage.listing())
    assert {name for _, name in change.entries} == {b"a.safetensors", b"b.safetensors"}
    assert stage.read(opened.handle) == b"alpha weights"
    assert stage.fs.getattr(ino).size_bytes == 13
    assert stage.ino(b"a.safetensors") != ino
    stage.fs.release(opened.handle)
    expect(errno.ESTALE, lambda: stage.fs.getattr(ino))


def test_extended_attributes_name_source_blob_and_percent(stage: Stage) -> None:
    xattrs = stage.fs.xattrs(stage.ino(b"a.safetensors"))
    assert xattrs[b"user.mows.source"] == b"memory://bucket/m/a.safetensors"
    assert len(xattrs[b"user.mows.blob"]) == 32
    assert xattrs[b"user.mows.percent"] == b"7.7"
    assert stage.fs.xattrs(stage.ino(b"sub")) == {b"user.mows.source": b"oss://bucket/m/sub/"}


def test_following_files_are_the_next_shards_in_the_order_of_the_index(stage: Stage, tmp_path: Path) -> None:
    index = b'{"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}'
    stage.origin.put("m/model.safetensors.index.json", index)
    (tmp_path / "index").write_bytes(index)
    stage.fs.swap(stage.listing())
    stage.fs.open(stage.ino(b"a.safetensors"))
    stage.fs.open(stage.ino(b"b.safetensors"))
    of_a, of_b = (file.following for file in stage.cache.opened)
    assert [info.key for info in of_a()] == ["m/b.safetensors"]  # the index is not in the cache yet: by name
    with (tmp_path / "index").open("rb") as resident:
        stage.cache.backing["m/model.safetensors.index.json"] = resident.fileno()
        assert of_a() == []
        assert [info.key for info in of_b()] == ["m/a.safetensors"]


def test_a_cache_that_refuses_is_an_input_output_error_with_a_log_line(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.cache.refuse = True
    expect(errno.EIO, lambda: stage.fs.open(stage.ino(b"a.safetensors")))
    assert "no_space" in caplog.text
    assert "a.safetensors" in caplog.text


def test_close_gives_back_what_the_kernel_never_released(stage: Stage) -> None:
    stage.fs.open(stage.ino(b"a.safetensors"))
    stage.fs.open(stage.ino(b"b.safetensors"))
    stage.fs.close()
    assert all(file.closed for file in stage.cache.opened)


def test_complete_files_offer_their_descriptor(stage: Stage, tmp_path: Path) -> None:
    ino = stage.ino(b"a.safetensors")
    assert not stage.fs.release(stage.fs.open(ino).handle)
    (tmp_path / "data").write_bytes(b"alpha weights")
    with (tmp_path / "data").open("rb") as data:
        stage.cache.backing["m/a.safetensors"] = data.fileno()
        opened = stage.fs.open(ino)
        assert opened.backing_fd == data.fileno()
        assert stage.fs.release(opened.handle)


def test_a_file_that_an_earlier_daemon_had_open_opens_by_its_number_until_the_next_listing(stage: Stage) -> None:
    old = next(node for node in stage.fs.snapshot.files() if node.path == "b.safetensors")
    now = build_snapshot([[node.info for node in stage.fs.snapshot.files() if node is not old]], "m/", "mount-1")
    fs = MountedFileSystem(
        now, stage.origin, stage.cache, source="oss://bucket/m/", account=stage.account, unlisted=[old]
    )
    ino = old.attributes.ino
    expect(errno.ENOENT, lambda: fs.lookup(ROOT_INO, b"b.safetensors"))
    assert fs.getattr(ino) == old.attributes
    opened = fs.open(ino)
    fs.swap(now)
    assert fs.getattr(ino) == old.attributes
    fs.release(opened.handle)
    expect(errno.ESTALE, lambda: fs.open(ino))


def test_what_is_unlisted_after_a_listing_is_all_that_may_be_open_then(stage: Stage) -> None:
    first = stage.ino(b"a.safetensors")
    opened = stage.fs.open(first)
    stage.origin.put("m/a.safetensors", b"alpha, second")
    second = stage.listing()
    assert [node.attributes.ino for node in stage.fs.unlisted_after(second)] == [first]
    stage.fs.swap(second)
    stage.origin.put("m/a.safetensors", b"alpha, third")
    third = {node.attributes.ino for node in stage.fs.unlisted_after(stage.listing())}
    assert third == {first, stage.ino(b"a.safetensors")}
    stage.fs.release(opened.handle)
    assert len(stage.fs.unlisted_after(stage.listing())) == 1
