"""How fast a file can be read here: in big blocks, and through a mapping. What ``mows bench`` is made of."""

from __future__ import annotations

import mmap
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20
"""What loaders of safetensors files ask for at a time, and the most FUSE carries in one request."""
MAX_BYTES = 4 << 30
"""Of one file: seconds even at disk speed, and long enough for a rate."""

Reader = Callable[[int, int], None]
"""Reads the first bytes, so many, of an open descriptor."""


@dataclass(frozen=True, slots=True)
class Rates:
    """Bytes per second of one file, medians over all passes."""

    read: float
    mapped: float


def read_blocks(fd: int, size_bytes: int) -> None:
    """Read into one buffer, block by block, as an engine does that copies to the device."""
    buffer = bytearray(BLOCK_BYTES)
    offset = 0
    while offset < size_bytes:
        count = os.preadv(fd, [memoryview(buffer)[: size_bytes - offset]], offset)
        if count == 0:
            raise EOFError(f"the file ended at {offset}, before {size_bytes}")
        offset += count


def read_mapped(fd: int, size_bytes: int) -> None:
    """Copy every byte out of a private mapping, which takes a page fault wherever the kernel did not read ahead."""
    buffer = bytearray(BLOCK_BYTES)
    with mmap.mmap(fd, size_bytes, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ) as mapping, memoryview(mapping) as view:
        for offset in range(0, size_bytes, BLOCK_BYTES):
            with view[offset : offset + BLOCK_BYTES] as piece:
                buffer[: len(piece)] = piece


READERS: Mapping[str, Reader] = {"read": read_blocks, "mapped": read_mapped}


def rate(path: Path, size_bytes: int, reader: Reader, clock: Callable[[], float] = time.perf_counter) -> float:
    """Bytes per second of one pass, opening and closing included."""
    began = clock()
    with path.open("rb", buffering=0) as file:
        reader(file.fileno(), size_bytes)
    return size_bytes / (clock() - began)


def measure(paths: Sequence[Path], size_bytes: int, passes: int) -> list[Rates]:
    """The rates of each path. Passes take turns, so that whatever else this machine does hits all of them alike."""
    taken: dict[tuple[Path, str], list[float]] = {(path, name): [] for path in paths for name in READERS}
    for _ in range(passes):
        for (path, name), rates in taken.items():
            rates.append(rate(path, size_bytes, READERS[name]))
    return [Rates(*(statistics.median(taken[path, name]) for name in READERS)) for path in paths]


def largest_file(path: Path) -> Path:
    """`path` itself, or the largest file below it. Raises FileNotFoundError when there is none with bytes in it."""
    if path.is_file():
        return path
    files = [below for below in path.rglob("*") if below.is_file()]
    sizes = {below: below.stat().st_size for below in files}
    largest = max(files, key=lambda below: sizes[below], default=None)
    if largest is None or not sizes[largest]:
        raise FileNotFoundError(f"no file with bytes in it below {path}")
    return largest
