"""fallocate(2) with FALLOC_FL_PUNCH_HOLE: the blocks of a piece of a file go back to the file system.

Python's own `os.posix_fallocate` knows no flags. The call goes to the C library and lets other threads run meanwhile.
"""

from __future__ import annotations

import ctypes
import os

_KEEP_SIZE = 0x01
_PUNCH_HOLE = 0x02
"""From the kernel's ``include/uapi/linux/falloc.h``."""


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Free the blocks of ``[offset, offset + length)``, which reads as zeros from then on; the file keeps its size.

    Pages that a socket still sends keep their content: whole pages are taken out of the page cache, not cleared. Raises
    OSError, with EOPNOTSUPP where the file system has no holes.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    flags = _KEEP_SIZE | _PUNCH_HOLE
    if libc.fallocate(fd, flags, ctypes.c_longlong(offset), ctypes.c_longlong(length)):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
