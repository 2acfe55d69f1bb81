"""Requests and answers against the sizes, numbers and rules of the kernel's header."""

from __future__ import annotations

import errno
import os
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cachefs.fuse import abi, codec
from cachefs.fuse.abi import InitFlag, Opcode, OpenFlag
from cachefs.ports import Attributes
from cachefs.types import FileHandle, Ino

HEADER = Path("/usr/include/linux/fuse.h")
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
NAMES = st.binary(min_size=1, max_size=255).filter(lambda name: b"\0" not in name)

# What the kernel's header says, so that a slip of a field is seen without a kernel.
SIZES = {
    abi.IN_HEADER: 40, abi.OUT_HEADER: 16, abi.INIT_OUT: 64, abi.ATTR: 88, abi.ENTRY: 40, abi.ATTR_OUT: 16,
    abi.STATX_OUT: 32, abi.STATX: 256, abi.OPEN_IN: 8, abi.OPEN_OUT: 16, abi.READ_IN: 40, abi.RELEASE_IN: 24,
    abi.GETXATTR_IN: 8, abi.GETXATTR_OUT: 8, abi.ACCESS_IN: 8, abi.INTERRUPT_IN: 8, abi.STATFS_OUT: 80,
    abi.DIRENT: 24, abi.INVAL_INODE_OUT: 24, abi.INVAL_ENTRY_OUT: 16, abi.BACKING_MAP: 16, abi.BACKING_ID: 4,
}  # fmt: skip


def message(opcode: int, body: bytes = b"", *, unique: int = 7, ino: int = 1, extension: bytes = b"") -> memoryview:
    """A request as the kernel writes it."""
    length = abi.IN_HEADER.size + len(body) + len(extension)
    header = abi.IN_HEADER.pack(length, opcode, unique, ino, 0, 0, 1, len(extension) // 8, 0)
    return memoryview(header + body + extension)


def test_structures_have_the_sizes_of_the_header() -> None:
    assert {structure.format: structure.size for structure in SIZES} == {
        structure.format: size for structure, size in SIZES.items()
    }


def test_opcodes_are_those_of_the_installed_header() -> None:
    text = HEADER.read_text()
    values = dict(re.findall(r"\bFUSE_(\w+)\s*=\s*(\d+)", text))
    shared = {name: int(value) for name, value in values.items() if name in Opcode.__members__}
    assert len(shared) >= 45
    assert shared == {name: Opcode[name].value for name in shared}


def test_ioctl_numbers() -> None:
    assert (abi.BACKING_OPEN, abi.BACKING_CLOSE) == (0x4010E501, 0x4004E502)


@given(opcode=U32, unique=U64, ino=U64, body=st.binary(max_size=200), words=st.integers(0, 3))
def test_decode_splits_header_body_and_extension(opcode: int, unique: int, ino: int, body: bytes, words: int) -> None:
    request = codec.decode(message(opcode, body, unique=unique, ino=ino, extension=bytes(8 * words)))
    assert (request.opcode, request.unique, request.ino, bytes(request.body)) == (opcode, unique, ino, body)


@given(st.binary(max_size=39))
def test_decode_refuses_what_is_shorter_than_a_header(data: bytes) -> None:
    with pytest.raises(codec.ProtocolError, match="shorter"):
        codec.decode(memoryview(data))


def test_decode_refuses_a_wrong_length() -> None:
    with pytest.raises(codec.ProtocolError, match="the header says"):
        codec.decode(memoryview(bytes(message(Opcode.LOOKUP, b"name\0")) + b"more"))


@given(NAMES, st.binary(max_size=8))
def test_a_name_ends_at_its_nul(name: bytes, rest: bytes) -> None:
    assert codec.decode_name(memoryview(name + b"\0" + rest)) == name
    assert codec.decode_name(memoryview(b"12345678" + name + b"\0"), 8) == name


def test_a_name_needs_its_nul() -> None:
    with pytest.raises(codec.ProtocolError, match="NUL"):
        codec.decode_name(memoryview(b"name"))


@given(handle=U64, offset=U64, size=U32)
def test_read(handle: int, offset: int, size: int) -> None:
    body = abi.READ_IN.pack(handle, offset, size, 0, 0, 0, 0)
    assert codec.decode_read(memoryview(body)) == (handle, offset, size)


def init(major: int, minor: int, flags: int, *, long: bool = True) -> codec.InitRequest:
    body = struct.pack("<IIII", major, minor, 131072, flags & 0xFFFFFFFF)
    return codec.decode_init(memoryview(body + (struct.pack("<I44x", flags >> 32) if long else b"")))


@given(flags=U64, minor=st.integers(abi.OLDEST_MINOR, 99), wanted=st.booleans())
def test_negotiation_asks_only_for_what_is_offered(flags: int, minor: int, wanted: bool) -> None:
    offer = init(7, minor, flags)
    body, agreed = codec.negotiate(offer, passthrough=wanted)
    answer = abi.INIT_OUT.unpack(body)
    got = answer[3] | answer[10] << 32
    assert answer[0] == 7
    assert answer[1] == min(minor, abi.KERNEL_MINOR)
    assert got & ~flags == 0
    assert agreed.passthrough == (wanted and bool(got & InitFlag.PASSTHROUGH))
    assert agreed.resend == bool(flags & InitFlag.INIT_EXT and flags & InitFlag.HAS_RESEND)
    assert agreed.minor == answer[1]
    assert answer[11] == (1 if agreed.passthrough else 0)


def test_an_old_kernel_sends_and_gets_no_second_word() -> None:
    offer = init(7, 31, InitFlag.ASYNC_READ | InitFlag.MAX_PAGES, long=False)
    body, agreed = codec.negotiate(offer, passthrough=True)
    assert agreed == codec.Agreement(31, passthrough=False, resend=False)
    assert abi.INIT_OUT.unpack(body)[10] == 0


@given(size=st.integers(0, 2**63), mtime_ns=st.integers(0, 2**62), directory=st.booleans(), valid=st.floats(0, 1e6))
def test_attributes(size: int, mtime_ns: int, directory: bool, valid: float) -> None:
    attributes = Attributes(Ino(5), directory, size, mtime_ns, nlink=3)
    encoded = codec.encode_attributes(attributes, valid)
    seconds, ns, _ = abi.ATTR_OUT.unpack_from(encoded)
    fields = abi.ATTR.unpack_from(encoded, abi.ATTR_OUT.size)
    assert seconds + ns / 1e9 == pytest.approx(valid, abs=1e-6)
    assert ns < 10**9
    assert fields[:3] == (5, size, -(-size // 512))
    assert fields[4] * 10**9 + fields[7] == mtime_ns
    assert fields[9:11] == (0o40555 if directory else 0o100444, 3)
    entry = codec.encode_entry(attributes, 2.5, valid)
    assert entry.endswith(encoded[abi.ATTR_OUT.size :])
    assert abi.ENTRY.unpack_from(entry) == (5, 0, 2, seconds, 500_000_000, ns)


def test_statx_shows_what_stat_shows() -> None:
    encoded = codec.encode_statx(Attributes(Ino(9), False, 1025, 1_500_000_001_000_000_002), 1.0)
    mask, _, _, nlink, _, _, mode, ino, size, blocks, _, *times = abi.STATX.unpack_from(encoded, abi.STATX_OUT.size)
    assert (mask, nlink, mode, ino, size, blocks) == (0x7FF, 1, 0o100444, 9, 1025, 3)
    assert times == [1_500_000_001, 2, 0, 0, 1_500_000_001, 2, 1_500_000_001, 2]


@given(value=st.binary(max_size=300), room=st.integers(0, 400))
def test_xattr_lengths(value: bytes, room: int) -> None:
    if room == 0:
        assert codec.encode_xattr(value, room) == struct.pack("<II", len(value), 0)
    elif room >= len(value):
        assert codec.encode_xattr(value, room) == value
    else:
        with pytest.raises(OSError, match="longer") as caught:
            codec.encode_xattr(value, room)
        assert caught.value.errno == errno.ERANGE


def test_xattr_names_end_with_nul() -> None:
    assert codec.encode_xattr_names([b"user.a", b"user.b"], 100) == b"user.a\0user.b\0"


def test_answers_and_notifications_carry_their_length() -> None:
    assert abi.OUT_HEADER.unpack(codec.encode_header(9, 100)) == (116, 0, 9)
    assert abi.OUT_HEADER.unpack(codec.encode_error(9, errno.EIO)) == (16, -errno.EIO, 9)
    for notification, code in ((codec.encode_inval_inode(Ino(4)), 2), (codec.encode_inval_entry(Ino(4), b"x"), 3)):
        assert abi.OUT_HEADER.unpack_from(notification) == (len(notification), code, 0)
    assert codec.encode_inval_entry(Ino(4), b"name").endswith(struct.pack("<QII", 4, 4, 0) + b"name\0")


def test_open_answer() -> None:
    encoded = codec.encode_open(FileHandle(3), OpenFlag.PASSTHROUGH, 12)
    assert encoded == struct.pack("<QIi", 3, 1 << 7, 12)


def test_statfs_is_full() -> None:
    blocks, free, available, files, files_free, *_ = abi.STATFS_OUT.unpack(codec.encode_statfs(8193, 2))
    assert (blocks, free, available, files, files_free) == (3, 0, 0, 2, 0)


def test_small_requests() -> None:
    assert codec.decode_open(memoryview(struct.pack("<II", os.O_RDWR, 0))) == os.O_RDWR
    assert codec.decode_release(memoryview(struct.pack("<QIIQ", 5, 0, 0, 0))) == 5
    assert codec.decode_interrupt(memoryview(struct.pack("<Q", 6))) == 6
    assert codec.decode_word(memoryview(struct.pack("<II", 7, 0))) == 7
