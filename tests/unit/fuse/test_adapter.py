"""Each opcode's answer, and that no request goes unanswered, without a kernel."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cachefs.errors import ObjectChanged
from cachefs.fuse import abi
from cachefs.fuse.abi import WRITING, Opcode, OpenFlag
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.unit.fuse.kernel import FakeKernel, Served

pytestmark = pytest.mark.expects_warnings  # requests that fail are logged

NO_ANSWER = {Opcode.FORGET, Opcode.BATCH_FORGET, Opcode.NOTIFY_REPLY}


@pytest.fixture
def fs(tmp_path: Path) -> DirectoryFileSystem:
    (tmp_path / "file").write_bytes(bytes(range(256)) * 16)
    (tmp_path / "directory").mkdir()
    return DirectoryFileSystem(tmp_path, complete=set())


@pytest.fixture
def served(fs: DirectoryFileSystem) -> Iterator[Served]:
    with FakeKernel() as kernel:
        served = Served(kernel, fs)
        yield served
        served.files.close()
        assert kernel.is_silent()


def ino_of(served: Served, name: bytes) -> int:
    ino: int = abi.ENTRY.unpack_from(served.ask(Opcode.LOOKUP, name + b"\0"))[0]
    return ino


def read(handle: int, offset: int, size: int) -> bytes:
    return abi.READ_IN.pack(handle, offset, size, 0, 0, 0, 0)


def fails(number: int) -> pytest.RaisesExc[OSError]:
    return pytest.RaisesExc(OSError, check=lambda error: error.errno == number)


def test_lookup_getattr_and_statx_agree(served: Served) -> None:
    ino = ino_of(served, b"file")
    size = abi.ATTR.unpack_from(served.ask(Opcode.GETATTR, bytes(16), ino), abi.ATTR_OUT.size)[1]
    statx = abi.STATX.unpack_from(served.ask(Opcode.STATX, bytes(24), ino), abi.STATX_OUT.size)
    assert size == statx[8] == 4096
    with fails(errno.ENOENT):
        ino_of(served, b"missing")


def test_open_read_release(served: Served, fs: DirectoryFileSystem) -> None:
    ino = ino_of(served, b"file")
    handle, flags, backing_id = abi.OPEN_OUT.unpack(served.ask(Opcode.OPEN, abi.OPEN_IN.pack(os.O_RDONLY, 0), ino))
    assert (flags, backing_id) == (OpenFlag.KEEP_CACHE, 0)
    assert served.ask(Opcode.READ, read(handle, 250, 10), ino) == bytes([250, 251, 252, 253, 254, 255, 0, 1, 2, 3])
    assert served.ask(Opcode.READ, read(handle, 4090, 100), ino) == bytes(range(250, 256))
    assert served.ask(Opcode.READ, read(handle, 5000, 100), ino) == b""
    assert served.ask(Opcode.RELEASE, abi.RELEASE_IN.pack(handle, 0, 0, 0), ino) == b""
    assert fs.handles == {}
    statistics = served.counters.snapshot()
    assert (statistics.delivered_reads, statistics.delivered_bytes) == (3, 16)
    assert (statistics.cached_opens, statistics.passthrough_opens, statistics.errors) == (1, 0, 0)
    assert statistics.requests == {"LOOKUP": 1, "OPEN": 1, "READ": 3, "RELEASE": 1}


@pytest.mark.parametrize("opcode", sorted(WRITING))
def test_writing_is_erofs(served: Served, opcode: Opcode) -> None:
    with fails(errno.EROFS):
        served.ask(opcode, bytes(80))


@pytest.mark.parametrize("mode", [os.O_WRONLY, os.O_RDWR])
def test_opening_for_writing_is_erofs(served: Served, fs: DirectoryFileSystem, mode: int) -> None:
    with fails(errno.EROFS):
        served.ask(Opcode.OPEN, abi.OPEN_IN.pack(mode, 0), ino_of(served, b"file"))
    assert fs.handles == {}


@pytest.mark.parametrize(
    ("opcode", "number"),
    [
        (Opcode.FLUSH, errno.ENOSYS),
        (Opcode.LSEEK, errno.ENOSYS),
        (Opcode.POLL, errno.ENOSYS),
        (Opcode.SYNCFS, errno.ENOSYS),
        (Opcode.IOCTL, errno.ENOTTY),
        (Opcode.READLINK, errno.EINVAL),
        (4711, errno.ENOSYS),
    ],
)
def test_what_is_not_offered(served: Served, opcode: int, number: int) -> None:
    with fails(number):
        served.ask(opcode, bytes(80))


@pytest.mark.parametrize("opcode", [Opcode.FSYNC, Opcode.FSYNCDIR, Opcode.DESTROY])
def test_nothing_to_write_back(served: Served, opcode: Opcode) -> None:
    assert served.ask(opcode, bytes(16)) == b""


@pytest.mark.parametrize("opcode", sorted(NO_ANSWER))
def test_some_requests_have_no_answer(served: Served, opcode: Opcode) -> None:
    served.tell(opcode, bytes(16))
    assert served.kernel.is_silent()


@pytest.mark.parametrize("opcode", sorted(set(Opcode) - NO_ANSWER))
@pytest.mark.parametrize("body", [b"", b"\xff" * 7, b"\xff" * 64])
def test_every_request_is_answered_once_whatever_is_in_it(served: Served, opcode: Opcode, body: bytes) -> None:
    unique = served.tell(opcode, body)
    assert served.kernel.answer()[0] == unique
    assert served.kernel.is_silent()


def test_access(served: Served) -> None:
    assert served.ask(Opcode.ACCESS, abi.ACCESS_IN.pack(os.R_OK | os.X_OK, 0)) == b""
    with fails(errno.EROFS):
        served.ask(Opcode.ACCESS, abi.ACCESS_IN.pack(os.W_OK, 0))


def test_a_directory_keeps_its_listing_while_it_is_open(served: Served, fs: DirectoryFileSystem) -> None:
    handle = abi.OPEN_OUT.unpack(served.ask(Opcode.OPENDIR, bytes(8)))[0]
    (fs.root / "later").touch()
    assert b"later" not in served.ask(Opcode.READDIR, read(handle, 0, 4096))
    rows = served.ask(Opcode.READDIRPLUS, read(handle, 2, 4096))
    assert b"directory" in rows
    assert b"file" in rows
    served.ask(Opcode.RELEASEDIR, abi.RELEASE_IN.pack(handle, 0, 0, 0))
    assert b"later" in served.ask(Opcode.READDIR, read(handle, 0, 4096))


def test_a_directory_that_an_earlier_daemon_opened_is_listed(served: Served) -> None:
    rows = served.ask(Opcode.READDIR, read(12345, 2, 4096))
    assert b"directory" in rows
    assert b"file" in rows
    assert served.ask(Opcode.RELEASEDIR, abi.RELEASE_IN.pack(12345, 0, 0, 0)) == b""
    assert served.ask(Opcode.RELEASEDIR, abi.RELEASE_IN.pack(12345, 0, 0, 0)) == b""


def test_xattrs(served: Served) -> None:
    ino = ino_of(served, b"file")

    def get(name: bytes, room: int) -> bytes:
        return served.ask(Opcode.GETXATTR, abi.GETXATTR_IN.pack(room, 0) + name + b"\0", ino)

    assert get(b"user.mows.blob", 0) == abi.GETXATTR_OUT.pack(16, 0)
    assert get(b"user.mows.blob", 16) == b"0123456789abcdef"
    for name, room, number in ((b"user.mows.blob", 15, errno.ERANGE), (b"security.capability", 0, errno.ENODATA)):
        with fails(number):
            get(name, room)
    names = served.ask(Opcode.LISTXATTR, abi.GETXATTR_IN.pack(100, 0), ino)
    assert names.split(b"\0") == [b"user.mows.blob", b"user.mows.source", b""]


def test_an_unforeseen_error_is_eio_with_its_traceback(
    served: Served, fs: DirectoryFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    handle = served.open(ino_of(served, b"file"))
    fs.read_error = ZeroDivisionError("a bug")
    with fails(errno.EIO):
        served.ask(Opcode.READ, read(handle, 0, 10))
    assert served.counters.snapshot().errors == 1
    [record] = caplog.records
    assert record.exc_info is not None
    assert "READ mount=mows" in record.message


def test_a_foreseen_error_is_one_line(
    served: Served, fs: DirectoryFileSystem, caplog: pytest.LogCaptureFixture
) -> None:
    handle = served.open(ino_of(served, b"file"))
    fs.read_error = ObjectChanged("memory://b/file: version 1 was replaced")
    with fails(errno.ESTALE):
        served.ask(Opcode.READ, read(handle, 0, 10))
    [record] = caplog.records
    assert not record.exc_info
    assert "version 1 was replaced" in record.message


def test_an_interrupted_read_is_answered_once(served: Served, fs: DirectoryFileSystem) -> None:
    handle = served.open(ino_of(served, b"file"))
    fs.park = True
    unique = served.tell(Opcode.READ, read(handle, 0, 10))
    assert served.kernel.is_silent()
    served.tell(Opcode.INTERRUPT, abi.INTERRUPT_IN.pack(unique))
    assert served.kernel.answer() == (unique, errno.EINTR, b"")
    fs.answer_parked()
    assert served.kernel.is_silent()
    assert len(fs.parked) == 0


def test_an_interrupt_of_an_unknown_request_is_to_be_sent_again(served: Served) -> None:
    with fails(errno.EAGAIN):
        served.ask(Opcode.INTERRUPT, abi.INTERRUPT_IN.pack(12345))


def test_draining_fails_the_reads_that_wait_and_those_that_come(served: Served, fs: DirectoryFileSystem) -> None:
    handle = served.open(ino_of(served, b"file"))
    fs.park = True
    unique = served.tell(Opcode.READ, read(handle, 0, 10))
    served.adapter.drain()
    assert served.kernel.answer() == (unique, errno.EIO, b"")
    with fails(errno.EIO):
        served.ask(Opcode.READ, read(handle, 0, 10))
    fs.answer_parked()


def test_a_failed_open_releases_the_file(
    served: Served, fs: DirectoryFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(ino: int, opened: object) -> None:
        raise OSError(errno.EIO, "refused")

    monkeypatch.setattr(served.files, "_enter", refuse)
    with fails(errno.EIO):
        served.open(ino_of(served, b"file"))
    assert fs.handles == {}
