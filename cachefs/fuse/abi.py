"""The kernel's FUSE interface as data: opcodes, flags, structures and ioctl numbers. Little endian, nothing computed.

Source of every number: the kernel's ``include/uapi/linux/fuse.h``, protocol 7.31 (Linux 5.4) to 7.45. Distributions
ship older headers than the kernels they run, so nothing is read from the machine.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag
from struct import Struct

DEVICE = "/dev/fuse"

KERNEL_MAJOR = 7
KERNEL_MINOR = 45
OLDEST_MINOR = 31

PAGE_BYTES = 4096
MAX_PAGES = 256
"""Pages in one request: what Linux allows by default (``/proc/sys/fs/fuse/max_pages_limit``)."""

MAX_READ_BYTES = MAX_PAGES * PAGE_BYTES
REQUEST_BYTES = 256 * 1024
"""Room for one request. The kernel wants 8 KiB at least; the largest we can be sent is a setxattr of 64 KiB."""


class Opcode(IntEnum):
    """What the kernel asks."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    SETXATTR = 21
    GETXATTR = 22
    LISTXATTR = 23
    REMOVEXATTR = 24
    FLUSH = 25
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    GETLK = 31
    SETLK = 32
    SETLKW = 33
    ACCESS = 34
    CREATE = 35
    INTERRUPT = 36
    BMAP = 37
    DESTROY = 38
    IOCTL = 39
    POLL = 40
    NOTIFY_REPLY = 41
    BATCH_FORGET = 42
    FALLOCATE = 43
    READDIRPLUS = 44
    RENAME2 = 45
    LSEEK = 46
    COPY_FILE_RANGE = 47
    SETUPMAPPING = 48
    REMOVEMAPPING = 49
    SYNCFS = 50
    TMPFILE = 51
    STATX = 52


WRITING = frozenset(
    {
        Opcode.SETATTR, Opcode.SYMLINK, Opcode.MKNOD, Opcode.MKDIR, Opcode.UNLINK, Opcode.RMDIR, Opcode.RENAME,
        Opcode.LINK, Opcode.WRITE, Opcode.SETXATTR, Opcode.REMOVEXATTR, Opcode.CREATE, Opcode.FALLOCATE,
        Opcode.RENAME2, Opcode.COPY_FILE_RANGE, Opcode.TMPFILE,
    }
)  # fmt: skip
"""Requests that would change something: all EROFS."""


class InitFlag(IntFlag):
    """Features both sides must agree on. Bits from 32 on travel in ``flags2``."""

    ASYNC_READ = 1 << 0
    DO_READDIRPLUS = 1 << 13
    READDIRPLUS_AUTO = 1 << 14
    PARALLEL_DIROPS = 1 << 18
    MAX_PAGES = 1 << 22
    INIT_EXT = 1 << 30
    PASSTHROUGH = 1 << 37
    HAS_RESEND = 1 << 39


class OpenFlag(IntFlag):
    """How the kernel shall treat an open file."""

    KEEP_CACHE = 1 << 1
    PASSTHROUGH = 1 << 7


class NotifyCode(IntEnum):
    """Messages the daemon sends unasked; they travel in the error field of the header."""

    INVAL_INODE = 2
    INVAL_ENTRY = 3
    RESEND = 7
    """Send again whatever was read and not answered."""


UNIQUE_RESEND = 1 << 63
"""Set in the `unique` of a request that is sent again."""


IN_HEADER = Struct("<IIQQIIIHH")
"""length, opcode, unique, nodeid, uid, gid, pid, extension length, padding."""

OUT_HEADER = Struct("<IiQ")
"""length, error (0 or a negative errno), unique."""

INIT_IN = Struct("<IIII")
"""major, minor, max_readahead, flags; with INIT_EXT the next word is flags2."""

INIT_IN_FLAGS2 = Struct("<I")

INIT_OUT = Struct("<IIIIHHIIHHIIH22x")
"""major, minor, max_readahead, flags, max_background, congestion_threshold, max_write, time_gran, max_pages,
map_alignment, flags2, max_stack_depth, request_timeout."""

ATTR = Struct("<QQQQQQIIIIIIIIII")
"""ino, size, blocks, atime, mtime, ctime, their nanoseconds, mode, nlink, uid, gid, rdev, blksize, flags."""

ENTRY = Struct("<QQQQII")
"""nodeid, generation, entry_valid, attr_valid, and the nanoseconds of both; an ATTR follows."""

ATTR_OUT = Struct("<QII")
"""attr_valid, its nanoseconds, padding; an ATTR follows."""

STATX_OUT = Struct("<QII16x")
"""attr_valid, its nanoseconds, flags, spare; a STATX follows."""

STATX = Struct("<IIQIIIH2xQQQQqI4xqI4xqI4xqI4x16x112x")
"""mask, blksize, attributes, nlink, uid, gid, mode, ino, size, blocks, attributes_mask, then seconds and nanoseconds of
atime, btime, ctime and mtime; the device numbers stay 0."""

STATX_BASIC_STATS = 0x7FF

OPEN_IN = Struct("<II")
"""open(2) flags, FUSE flags."""

OPEN_OUT = Struct("<QIi")
"""file handle, OpenFlag, backing id."""

READ_IN = Struct("<QQIIQII")
"""file handle, offset, size, read flags, lock owner, open(2) flags, padding. READDIR sends the same."""

RELEASE_IN = Struct("<QIIQ")
"""file handle, open(2) flags, release flags, lock owner."""

GETXATTR_IN = Struct("<II")
"""size of the caller's buffer (0: only the length is wanted), padding; GETXATTR appends the name."""

GETXATTR_OUT = Struct("<II")
"""length of the value, padding."""

ACCESS_IN = Struct("<II")
"""mask, padding."""

INTERRUPT_IN = Struct("<Q")
"""unique of the request to interrupt."""

STATFS_OUT = Struct("<QQQQQIIIIIIIIII")
"""blocks, bfree, bavail, files, ffree, bsize, namelen, frsize, padding, spare."""

DIRENT = Struct("<QQII")
"""ino, offset of the next entry, name length, type; then the name, padded to 8 bytes."""

INVAL_INODE_OUT = Struct("<Qqq")
"""ino, offset, length (0: to the end)."""

INVAL_ENTRY_OUT = Struct("<QII")
"""parent, name length, flags; then the name and a NUL."""

BACKING_MAP = Struct("<iIQ")
"""descriptor, flags, padding: the argument of BACKING_OPEN."""

BACKING_ID = Struct("<I")

CLONE_IN = Struct("<I")
"""A descriptor of the connection: the argument of DEV_IOC_CLONE."""

_IOC_WRITE = 1
_IOC_READ = 2
_MAGIC = 229


def _iow(number: int, size_bytes: int) -> int:
    return _IOC_WRITE << 30 | size_bytes << 16 | _MAGIC << 8 | number


BACKING_OPEN = _iow(1, BACKING_MAP.size)
BACKING_CLOSE = _iow(2, BACKING_ID.size)
DEV_IOC_CLONE = _IOC_READ << 30 | CLONE_IN.size << 16 | _MAGIC << 8
"""Makes a fresh ``/dev/fuse`` descriptor a second door to a connection. What was read through a door and not answered
fails when that door is closed."""
