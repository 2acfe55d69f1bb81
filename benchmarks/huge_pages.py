"""What huge pages are worth to a memory tier: write and read 1 GiB on /dev/shm and on a tmpfs with huge=within_size.

``python -m benchmarks.huge_pages`` needs root. Takes turns, prints medians and the ratio.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

PIECE_BYTES = 2 << 20
SIZE_BYTES = 1 << 30
REPEATS = 5


def measure(directory: Path) -> tuple[float, float]:
    """(write, read) in GB/s of one new file in `directory`."""
    piece = os.urandom(PIECE_BYTES)
    buffer = memoryview(bytearray(PIECE_BYTES))
    path = directory / "huge-pages-benchmark"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        os.ftruncate(fd, SIZE_BYTES)
        began = time.perf_counter()
        for offset in range(0, SIZE_BYTES, PIECE_BYTES):
            os.pwrite(fd, piece, offset)
        wrote = time.perf_counter()
        for offset in range(0, SIZE_BYTES, PIECE_BYTES):
            os.preadv(fd, [buffer], offset)
        ended = time.perf_counter()
    finally:
        os.close(fd)
        path.unlink()
    return SIZE_BYTES / (wrote - began) / 1e9, SIZE_BYTES / (ended - wrote) / 1e9


def main() -> None:
    """Measure both in turn."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as plain, tempfile.TemporaryDirectory() as huge:
        size = f"size={SIZE_BYTES * 2},huge=within_size"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "mows-benchmark", huge], check=True)
        try:
            measure(Path(plain)), measure(Path(huge))  # touches the machine's memory once
            turns = [(measure(Path(plain)), measure(Path(huge))) for _ in range(REPEATS)]
        finally:
            subprocess.run(["umount", huge], check=True)
    for place, what in enumerate(("write", "read")):
        small = statistics.median(turn[0][place] for turn in turns)
        large = statistics.median(turn[1][place] for turn in turns)
        print(f"{what:5}  4 KiB pages {small:5.1f} GB/s   huge pages {large:5.1f} GB/s   ratio {large / small:.1f}")


if __name__ == "__main__":
    main()
