"""Bytes read through a mount are the bytes of the file: every way of reading, cached and passthrough."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from cachefs.fuse import FuseMount, MountOptions
from tests.fuse.directory_fs import DirectoryFileSystem
from tests.fuse.mounted import child, finish, mounted, python, run

SIZE_BYTES = 9 * 1024 * 1024 + 4711

WAYS = {
    "cached": (set[str](), None),
    "passthrough": (None, True),
    "complete but no passthrough": (None, False),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One mounted file."""

    source: Path
    path: Path
    data: bytes
    fs: DirectoryFileSystem
    mount: FuseMount
    passthrough: bool


@pytest.fixture(params=list(WAYS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    complete, passthrough = WAYS[request.param]
    source = tmp_path / "source" / "file"
    source.parent.mkdir()
    data = random.Random(7).randbytes(SIZE_BYTES)
    source.write_bytes(data)
    fs = DirectoryFileSystem(source.parent, complete)
    target = tmp_path / "mount"
    with mounted(fs, target, MountOptions(passthrough=passthrough)) as mount:
        yield Case(source, target / "file", data, fs, mount, request.param == "passthrough")
        statistics = mount.statistics()
        assert (
            (statistics.passthrough_opens > 0) == (statistics.delivered_bytes == 0) == (request.param == "passthrough")
        )
    assert fs.handles == {}


def test_cat_cp_and_cmp(case: Case, tmp_path: Path) -> None:
    assert run("cat", case.path).stdout == case.data
    run("cp", case.path, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == case.data
    run("cmp", case.path, case.source)


@pytest.mark.parametrize("block", ["4k", "1M", "3M"])
def test_o_direct(case: Case, block: str) -> None:
    assert run("dd", f"if={case.path}", f"bs={block}", "iflag=direct", "status=none").stdout == case.data


@pytest.mark.parametrize("flag", ["MAP_PRIVATE", "MAP_SHARED"])
def test_mmap(case: Case, flag: str) -> None:
    code = f"""
import hashlib, mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, flags=mmap.{flag}, prot=mmap.PROT_READ) as data:
    print(data[-1], hashlib.sha256(data).hexdigest())
"""
    assert python(code, case.path).split() == [str(case.data[-1]), sha256(case.data).hexdigest()]


def test_random_reads_by_many_threads(case: Case) -> None:
    fd = os.open(case.path, os.O_RDONLY)

    def check(seed: int) -> None:
        numbers = random.Random(seed)
        for _ in range(40):
            offset, size = numbers.randrange(SIZE_BYTES + 5000), numbers.randrange(300_000)
            assert os.pread(fd, size, offset) == case.data[offset : offset + size]

    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(check, range(8)))
    finally:
        os.close(fd)


def test_many_processes_at_once(case: Case) -> None:
    code = "import sys, hashlib; print(hashlib.sha256(open(sys.argv[1], 'rb').read()).hexdigest())"
    readers = [child(code, case.path) for _ in range(4)]
    assert [finish(reader) for reader in readers] == [(0, sha256(case.data).hexdigest() + "\n")] * 4


def test_the_end_of_the_file(case: Case) -> None:
    fd = os.open(case.path, os.O_RDONLY)
    try:
        assert os.pread(fd, 100, SIZE_BYTES - 10) == case.data[-10:]
        assert os.pread(fd, 100, SIZE_BYTES) == b""
        assert os.pread(fd, 100, SIZE_BYTES + 10**9) == b""
        assert os.lseek(fd, 0, os.SEEK_END) == SIZE_BYTES
        assert os.lseek(fd, 0, os.SEEK_HOLE) == SIZE_BYTES
    finally:
        os.close(fd)


@pytest.mark.parametrize("complete", [set[str](), None], ids=["cached", "passthrough"])
def test_offsets_beyond_4_gib(tmp_path: Path, complete: set[str] | None) -> None:
    source = tmp_path / "source"
    source.mkdir()
    size = 5 * 2**30 + 123
    marks = {0: b"begin", 2**32 - 3: b"across", 2**32 + 10**6: b"middle", size - 3: b"end"}
    with open(source / "huge", "wb") as file:
        file.truncate(size)
        for offset, mark in marks.items():
            os.pwrite(file.fileno(), mark, offset)
    with mounted(DirectoryFileSystem(source, complete), tmp_path / "mount"):
        path = tmp_path / "mount" / "huge"
        assert path.stat().st_size == size
        fd = os.open(path, os.O_RDONLY)
        assert {offset: os.pread(fd, len(mark), offset) for offset, mark in marks.items()} == marks
        os.close(fd)
        code = """
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
    print(data[2**32 - 3 : 2**32 + 3], data[-3:])
"""
        assert python(code, path).strip() == "b'across' b'end'"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_an_error_reaches_the_reader_and_only_for_as_long_as_it_lasts(tmp_path: Path, number: int) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"x" * 100_000)
    fs = DirectoryFileSystem(tmp_path / "source", complete=set())
    with mounted(fs, tmp_path / "mount") as mount:
        path = tmp_path / "mount" / "file"
        fs.reply_error = number
        with open(path, "rb") as file, pytest.raises(OSError, match=r".") as caught:
            file.read()
        assert caught.value.errno == number
        fs.reply_error = None
        assert path.read_bytes() == b"x" * 100_000
        assert mount.statistics().errors >= 1


def test_o_direct_shows_the_very_errno(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_bytes(b"x" * 100_000)
    fs = DirectoryFileSystem(tmp_path / "source", complete=set())
    fs.reply_error = errno.ESTALE
    with mounted(fs, tmp_path / "mount"):
        code = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECT)
try:
    os.readv(fd, [mmap.mmap(-1, 4096)])
except OSError as error:
    print(error.errno)
"""
        assert int(python(code, tmp_path / "mount" / "file")) == errno.ESTALE
