"""One reader as a process of its own: reads files whole, in order, and says in one line of JSON how that went.

A process of its own because readers of a mount that nobody serves wait, and take whatever else their process does with
them: to start a child, for one, since that closes descriptors.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

BLOCK_BYTES = 1 << 20


@dataclass(slots=True)
class Reading:
    """What one reader has seen."""

    way: str
    digests: list[str]
    """Hexadecimal, one for each file; ``error: ...`` in place of one that failed."""
    bytes: int = 0
    seconds: float = 0.0
    first_block_seconds: float = 0.0
    """From before the first open until its first block was there."""
    longest_stall_seconds: float = 0.0
    """The longest time between two blocks, an open and the hashing of one block included."""

    @property
    def failures(self) -> int:
        """How many files could not be read to their end."""
        return sum(digest.startswith("error") for digest in self.digests)


def read_files(way: str, paths: list[Path]) -> Reading:
    """Read them all; a failed read ends its file."""
    reading = Reading(way, [])
    began = last = time.monotonic()
    for path in paths:
        digest = hashlib.blake2b()
        try:
            for block in _mapped(path) if way == "mmap" else _read(path):
                digest.update(block)
                now = time.monotonic()
                reading.first_block_seconds = reading.first_block_seconds or now - began
                reading.longest_stall_seconds = max(reading.longest_stall_seconds, now - last)
                reading.bytes += len(block)
                last = now
            reading.digests.append(digest.hexdigest())
        except OSError as error:
            reading.digests.append(f"error: {error}")
    reading.seconds = time.monotonic() - began
    return reading


def _read(path: Path) -> Iterator[bytes]:
    with open(path, "rb", buffering=0) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def _mapped(path: Path) -> Iterator[bytes]:
    """A page that cannot be had ends the process with SIGBUS, which its owner sees."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ) as mapping:
            for start in range(0, size, BLOCK_BYTES):
                yield mapping[start : start + BLOCK_BYTES]


def main() -> None:
    """``reader.py read|mmap PATH...``."""
    print(json.dumps(asdict(read_files(sys.argv[1], [Path(path) for path in sys.argv[2:]]))))


if __name__ == "__main__":
    main()
