"""One reader: `python -m benchmarks.thrash.reader`, a process, because a page fault that fails kills it.

It takes one JSON object from its standard input, reads for so many seconds, and answers with one JSON object.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

PIECE_BYTES = 1 << 20


@dataclass(slots=True)
class Progress:
    """What one reader did."""

    how: str
    read_bytes: int = 0
    loops: int = 0
    wrong: int = 0
    """Pieces that did not have their digest."""
    failed: int = 0
    """Reads that ended in an error."""
    longest_seconds: float = 0.0
    """The longest time that one piece took."""
    late_bytes: int = 0
    """What was read in the last tenth of the time: a reader that is stuck has nothing here."""


@contextmanager
def opened(path: Path, how: str) -> Iterator[Any]:
    """Gives a function from (offset, size) to bytes."""
    fd = os.open(path, os.O_RDONLY)
    try:
        if how == "read":
            yield lambda offset, size: os.pread(fd, size, offset)
        else:
            with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
                yield lambda offset, size: _through(mapped, offset, size)
    finally:
        os.close(fd)


def _through(mapped: mmap.mmap, offset: int, size: int) -> bytes:
    data = mapped[offset : offset + size]
    mapped.madvise(mmap.MADV_DONTNEED, offset, size)
    return data


def forget(path: Path) -> None:
    """Drop the file's pages that nobody maps, so that the next read asks the daemon."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def read_for(
    paths: Sequence[Path], digests: Sequence[Sequence[str]], *, how: str, seconds: float, begin: float
) -> Progress:
    """Read all files again and again, comparing every piece. Of each file, `begin` (a ratio) is skipped at first."""
    progress = Progress(how)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path, expected in zip(paths, digests, strict=True):
            forget(path)
            with opened(path, how) as read:
                first = 0 if progress.loops else int(begin * len(expected))
                for number, digest in enumerate(expected[first:], first):
                    if time.monotonic() >= end:
                        return progress
                    _read_piece(read, number, digest, progress, late=end - seconds / 10)
        progress.loops += 1
    return progress


def _read_piece(read: Any, number: int, digest: str, progress: Progress, *, late: float) -> None:  # noqa: ANN401 - a function
    began = time.monotonic()
    try:
        data = read(number * PIECE_BYTES, PIECE_BYTES)
    except OSError:
        progress.failed += 1
        return
    now = time.monotonic()
    progress.longest_seconds = max(progress.longest_seconds, now - began)
    progress.wrong += xxhash.xxh3_64_hexdigest(data) != digest
    progress.read_bytes += len(data)
    progress.late_bytes += len(data) if now >= late else 0


def main() -> None:
    """Read what is asked for."""
    order = json.loads(sys.stdin.readline())
    paths = [Path(path) for path in order["paths"]]
    wanted = {name: order[name] for name in ("how", "seconds", "begin")}
    print(json.dumps(asdict(read_for(paths, order["digests"], **wanted))), flush=True)


if __name__ == "__main__":
    main()
