"""Requests from bytes, answers to bytes. Pure: no descriptor, no clock, no state."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable
from typing import NamedTuple

from cachefs.fuse import abi
from cachefs.fuse.abi import InitFlag, OpenFlag
from cachefs.ports import Attributes
from cachefs.types import FileHandle, Ino

BLOCK_BYTES = 512
BLKSIZE_BYTES = 4096
NAME_MAX_BYTES = 255
XATTR_NAME_OFFSET = abi.GETXATTR_IN.size

_NS_PER_SECOND = 1_000_000_000
_READAHEAD_BYTES = 0xFFFFFFFF
_MAX_BACKGROUND = 64
_CONGESTION_THRESHOLD = 48
_ALWAYS = (
    InitFlag.ASYNC_READ
    | InitFlag.DO_READDIRPLUS
    | InitFlag.READDIRPLUS_AUTO
    | InitFlag.PARALLEL_DIROPS
    | InitFlag.MAX_PAGES
    | InitFlag.INIT_EXT
    | InitFlag.HAS_RESEND
)


class Request(NamedTuple):
    """One message of the kernel. `body` is a view of the reader's buffer: valid until the next one is read."""

    opcode: int
    unique: int
    ino: Ino
    body: memoryview


class InitRequest(NamedTuple):
    """What the kernel offers. `flags` has both words."""

    major: int
    minor: int
    max_readahead_bytes: int
    flags: InitFlag


class ReadRequest(NamedTuple):
    """READ, READDIR and READDIRPLUS."""

    handle: FileHandle
    offset: int
    size: int


class ProtocolError(ValueError):
    """The kernel sent something that its own header does not allow."""


def decode(message: memoryview) -> Request:
    """The request in `message`, which is exactly as long as what was read from the device."""
    if len(message) < abi.IN_HEADER.size:
        raise ProtocolError(f"a request of {len(message)} bytes is shorter than its header")
    length, opcode, unique, ino, _, _, _, extension_words, _ = abi.IN_HEADER.unpack_from(message)
    if length != len(message):
        raise ProtocolError(f"opcode {opcode}: {len(message)} bytes read, but the header says {length}")
    return Request(opcode, unique, Ino(ino), message[abi.IN_HEADER.size : length - 8 * extension_words])


def decode_init(body: memoryview) -> InitRequest:
    """INIT. Kernels before 5.17 send no second word of flags."""
    major, minor, max_readahead, flags = abi.INIT_IN.unpack_from(body)
    if flags & InitFlag.INIT_EXT and len(body) >= abi.INIT_IN.size + abi.INIT_IN_FLAGS2.size:
        flags |= abi.INIT_IN_FLAGS2.unpack_from(body, abi.INIT_IN.size)[0] << 32
    return InitRequest(major, minor, max_readahead, InitFlag(flags))


def decode_name(body: memoryview, offset: int = 0) -> bytes:
    """The NUL-terminated name at `offset`."""
    name, terminator, _ = bytes(body[offset:]).partition(b"\0")
    if not terminator:
        raise ProtocolError("a name without its NUL")
    return name


def decode_open(body: memoryview) -> int:
    """The flags of open(2)."""
    flags: int = abi.OPEN_IN.unpack_from(body)[0]
    return flags


def decode_read(body: memoryview) -> ReadRequest:
    """Handle, offset and size of a READ or READDIR."""
    handle, offset, size = abi.READ_IN.unpack_from(body)[:3]
    return ReadRequest(FileHandle(handle), offset, size)


def decode_release(body: memoryview) -> FileHandle:
    """The handle a RELEASE gives back."""
    return FileHandle(abi.RELEASE_IN.unpack_from(body)[0])


def decode_word(body: memoryview) -> int:
    """The first 32-bit word: the mask of ACCESS, the buffer size of GETXATTR and LISTXATTR."""
    word: int = abi.ACCESS_IN.unpack_from(body)[0]
    return word


def decode_interrupt(body: memoryview) -> int:
    """The `unique` of the request that nobody waits for any more."""
    unique: int = abi.INTERRUPT_IN.unpack_from(body)[0]
    return unique


def encode_header(unique: int, payload_bytes: int) -> bytes:
    """The header of a successful answer."""
    return abi.OUT_HEADER.pack(abi.OUT_HEADER.size + payload_bytes, 0, unique)


def encode_error(unique: int, error: int) -> bytes:
    """A whole answer: a positive errno."""
    return abi.OUT_HEADER.pack(abi.OUT_HEADER.size, -error, unique)


class Agreement(NamedTuple):
    """What INIT settles for as long as the connection lives."""

    minor: int
    passthrough: bool
    resend: bool


def negotiate(request: InitRequest, *, passthrough: bool) -> tuple[bytes, Agreement]:
    """The answer to INIT, and what it agrees to. Asks for nothing the kernel did not offer."""
    wanted = _ALWAYS | InitFlag.PASSTHROUGH if passthrough else _ALWAYS
    flags = wanted & request.flags
    minor = min(request.minor, abi.KERNEL_MINOR)
    agreed = Agreement(minor, InitFlag.PASSTHROUGH in flags, InitFlag.HAS_RESEND in flags)
    body = abi.INIT_OUT.pack(
        abi.KERNEL_MAJOR,
        minor,
        _READAHEAD_BYTES,  # the kernel takes the smaller of this and its own; read_ahead_kb raises that later
        flags & 0xFFFFFFFF,
        _MAX_BACKGROUND,
        _CONGESTION_THRESHOLD,
        abi.PAGE_BYTES,  # max_write: nothing is ever written, and the smallest allowed keeps our buffers small
        1,  # time_gran
        abi.MAX_PAGES,
        0,  # map_alignment
        flags >> 32,
        1
        if agreed.passthrough
        else 0,  # max_stack_depth: the backing file lies on a file system that is itself not stacked
        0,  # request_timeout: deadlines are ours
    )
    return body, agreed


def encode_entry(attributes: Attributes, entry_valid_seconds: float, attr_valid_seconds: float) -> bytes:
    """The answer to LOOKUP: from now on the kernel knows this inode."""
    entry_seconds, entry_ns = _split(entry_valid_seconds)
    attr_seconds, attr_ns = _split(attr_valid_seconds)
    # Generation 0: an inode number stands for one version of one object and is never given to another.
    return abi.ENTRY.pack(attributes.ino, 0, entry_seconds, attr_seconds, entry_ns, attr_ns) + _attr(attributes)


def encode_attributes(attributes: Attributes, valid_seconds: float) -> bytes:
    """The answer to GETATTR."""
    seconds, ns = _split(valid_seconds)
    return abi.ATTR_OUT.pack(seconds, ns, 0) + _attr(attributes)


def encode_statx(attributes: Attributes, valid_seconds: float) -> bytes:
    """The answer to STATX: the basic fields only. A birth time is not known at an origin."""
    valid, valid_ns = _split(valid_seconds)
    seconds, ns = divmod(attributes.mtime_ns, _NS_PER_SECOND)
    size = attributes.size_bytes
    return abi.STATX_OUT.pack(valid, valid_ns, 0) + abi.STATX.pack(
        abi.STATX_BASIC_STATS,
        BLKSIZE_BYTES,
        0,
        attributes.nlink,
        0,
        0,
        _mode(attributes),
        attributes.ino,
        size,
        -(-size // BLOCK_BYTES),
        0,
        *(seconds, ns, 0, 0, seconds, ns, seconds, ns),
    )


def encode_open(handle: FileHandle, flags: OpenFlag, backing_id: int = 0) -> bytes:
    """The answer to OPEN and OPENDIR."""
    return abi.OPEN_OUT.pack(handle, flags, backing_id)


def encode_statfs(total_bytes: int, files: int) -> bytes:
    """The answer to STATFS: full, as a read-only file system is."""
    blocks = -(-total_bytes // BLKSIZE_BYTES)
    return abi.STATFS_OUT.pack(
        blocks, 0, 0, files, 0, BLKSIZE_BYTES, NAME_MAX_BYTES, BLKSIZE_BYTES, 0, 0, 0, 0, 0, 0, 0
    )


def encode_xattr(value: bytes, room_bytes: int) -> bytes:
    """A value, or its length when the caller has no room yet. Raises OSError ERANGE when the room is too small."""
    if room_bytes == 0:
        return abi.GETXATTR_OUT.pack(len(value), 0)
    if len(value) > room_bytes:
        raise OSError(errno.ERANGE, "the value is longer than the caller's buffer")
    return value


def encode_xattr_names(names: Iterable[bytes], room_bytes: int) -> bytes:
    """The answer to LISTXATTR; the same rule of lengths."""
    return encode_xattr(b"".join(name + b"\0" for name in names), room_bytes)


def encode_inval_inode(ino: Ino) -> bytes:
    """A whole notification: forget the attributes and all pages of `ino`."""
    payload = abi.INVAL_INODE_OUT.pack(ino, 0, 0)
    return abi.OUT_HEADER.pack(abi.OUT_HEADER.size + len(payload), abi.NotifyCode.INVAL_INODE, 0) + payload


def encode_inval_entry(parent: Ino, name: bytes) -> bytes:
    """A whole notification: look `name` up again."""
    payload = abi.INVAL_ENTRY_OUT.pack(parent, len(name), 0) + name + b"\0"
    return abi.OUT_HEADER.pack(abi.OUT_HEADER.size + len(payload), abi.NotifyCode.INVAL_ENTRY, 0) + payload


def encode_resend() -> bytes:
    """A whole notification: send again what nobody answered."""
    return abi.OUT_HEADER.pack(abi.OUT_HEADER.size, abi.NotifyCode.RESEND, 0)


def _attr(attributes: Attributes) -> bytes:
    seconds, ns = divmod(attributes.mtime_ns, _NS_PER_SECOND)
    size = attributes.size_bytes
    return abi.ATTR.pack(
        attributes.ino,
        size,
        -(-size // BLOCK_BYTES),
        *(seconds, seconds, seconds, ns, ns, ns),
        _mode(attributes),
        attributes.nlink,
        *(0, 0, 0),  # owned by root, and no device
        BLKSIZE_BYTES,
        0,
    )


def _mode(attributes: Attributes) -> int:
    return stat.S_IFDIR | 0o555 if attributes.is_directory else stat.S_IFREG | 0o444


def _split(seconds: float) -> tuple[int, int]:
    whole, ns = divmod(round(seconds * _NS_PER_SECOND), _NS_PER_SECOND)
    return whole, ns
