"""sync_file_range(2): has the kernel write a piece of a file to its disk now, and waits for a piece.

A program that writes faster than the disk fills memory with dirty pages, until the kernel stops whoever writes
anything, the chunks that readers wait for too. So who writes much in the background keeps few of them. The calls go to
the C library and let other threads run meanwhile.
"""

from __future__ import annotations

import ctypes
import os

_WAIT_BEFORE = 1
_WRITE = 2
_WAIT_AFTER = 4
"""From the kernel's ``include/uapi/linux/fs.h``."""


def start_writing(fd: int, offset: int, length: int) -> None:
    """Begin to write ``[offset, offset + length)`` back; returns at once, or nearly. Raises OSError."""
    _sync_file_range(fd, offset, length, _WRITE)


def finish_writing(fd: int, offset: int, length: int) -> None:
    """Wait until ``[offset, offset + length)`` is not dirty any more. Raises OSError, also when the disk refused it.

    Is no fsync: neither the file's size nor a volatile cache of the disk is seen to.
    """
    _sync_file_range(fd, offset, length, _WAIT_BEFORE | _WRITE | _WAIT_AFTER)


def _sync_file_range(fd: int, offset: int, length: int, flags: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.sync_file_range(fd, ctypes.c_longlong(offset), ctypes.c_longlong(length), ctypes.c_uint(flags)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
