"""How a file is read: in order with read(2), or in order through a mapping. Each answers GB/s from open to close.

Both copy into one buffer that stays in the CPU's cache, so what is timed is the file system and one copy.
"""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.local.measure import GIGABYTE

BLOCK_BYTES = 1024 * 1024
"""What DESIGN section 2 was measured with, and the largest read the kernel passes on to a FUSE server."""


_MADV_POPULATE_WRITE = 23
"""``asm-generic/mman-common.h``, Linux 5.14; the mmap module does not name it yet."""


class ShortRead(Exception):
    """A file ended before the size that stat gave: nothing measured on it would count."""


def read_all(paths: Iterable[Path]) -> float:
    """Read the files one after the other, in blocks of 1 MiB. GB/s."""
    began = time.perf_counter()
    size_bytes = sum(map(_read, paths))
    return size_bytes / GIGABYTE / (time.perf_counter() - began)


def map_all(path: Path) -> float:
    """Map the file anew and copy it out, block after block. GB/s."""
    began = time.perf_counter()
    with open(path, "rb", buffering=0) as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapping:
        size_bytes = _copy(memoryview(mapping))
    return size_bytes / GIGABYTE / (time.perf_counter() - began)


def touch_memory(size_bytes: int) -> None:
    """Use so much memory once and free it, so that what is measured next does not wait for the machine's owner.

    In a virtual machine that reports its free pages, the host takes them away after 2 s and gives each back at its
    first use, at some 0.5 GB/s here: whoever comes after a pause would be charged for it. Elsewhere it changes nothing.
    """
    with mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as area:
        area.madvise(mmap.MADV_HUGEPAGE)
        area.madvise(_MADV_POPULATE_WRITE)


def drop_pages(path: Path) -> None:
    """Make the page cache forget this file, as this file system shows it; the pages of other views of it stay."""
    with open(path, "rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read(path: Path) -> int:
    buffer = bytearray(BLOCK_BYTES)
    size_bytes = 0
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            size_bytes += count
    if size_bytes != path.stat().st_size:
        raise ShortRead(f"{path}: {size_bytes} of {path.stat().st_size} bytes")
    return size_bytes


def _copy(view: memoryview) -> int:
    buffer = memoryview(bytearray(BLOCK_BYTES))
    with view:
        for start in range(0, len(view), BLOCK_BYTES):
            block = view[start : start + BLOCK_BYTES]
            buffer[: len(block)] = block
            block.release()
        return len(view)
