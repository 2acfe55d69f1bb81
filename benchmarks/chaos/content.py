"""What an object holds: a pure function of its name, its version and the offset. Nobody needs to keep the bytes.

An object is a row of pages. A page says whose it is, of which version, and which page, and is filled with bytes that
differ from version to version: a wrong place, another object and a mix of two versions are all seen, and told apart.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE_BYTES = 4096
WRITE_BYTES = 1 << 20
_HEADER = struct.Struct("<8sII")
HEADER_BYTES = _HEADER.size

GROWTH_BYTES = 1000
"""What an object's size grows by with each version, up to `SIZES` of them: a size belongs to a version, too."""
SIZES = 8


@dataclass(frozen=True, slots=True)
class Difference:
    """The first byte that is not what it must be. `looks_like` is what stands there instead, as far as it is known."""

    offset: int
    looks_like: str


class Content:
    """One version of one object."""

    def __init__(self, name: str, base_bytes: int, version: int) -> None:
        """`base_bytes`: about how long the object is, whatever its version."""
        self.name = name
        self.version = version
        self.size_bytes = base_bytes + GROWTH_BYTES * (version % SIZES)
        self._mark = _mark(name)
        self._filling = random.Random(f"{name} {version}").randbytes(PAGE_BYTES - HEADER_BYTES)

    def read(self, offset: int, count: int) -> bytes:
        """The bytes there; fewer, or none, at the end."""
        stop = min(offset + count, self.size_bytes)
        if stop <= offset:
            return b""
        first, last = offset // PAGE_BYTES, (stop - 1) // PAGE_BYTES
        pages = b"".join(
            part
            for page in range(first, last + 1)
            for part in (_HEADER.pack(self._mark, self.version, page), self._filling)
        )
        return pages[offset - first * PAGE_BYTES : stop - first * PAGE_BYTES]

    def difference(self, offset: int, data: bytes, count: int) -> Difference | None:
        """What is wrong with `data`, the answer to a read of `count` bytes at `offset`; None if nothing is."""
        right = self.read(offset, count)
        if data == right:
            return None
        at = next((at for at, pair in enumerate(zip(data, right, strict=False)) if pair[0] != pair[1]), len(data))
        if at >= min(len(data), len(right)):
            return Difference(offset + at, f"{len(data)} bytes instead of {len(right)}")
        page_at = max(0, at - (offset + at) % PAGE_BYTES)
        return Difference(offset + at, self._describe(data[page_at : page_at + PAGE_BYTES]))

    def write(self, path: Path) -> None:
        """Make a file of it."""
        with open(path, "wb") as file:
            file.writelines(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        for offset in range(0, self.size_bytes, WRITE_BYTES):
            yield self.read(offset, WRITE_BYTES)

    def _describe(self, page: bytes) -> str:
        if not any(page):
            return "zeros"
        if len(page) < HEADER_BYTES:
            return "other bytes"
        mark, version, number = _HEADER.unpack_from(page)
        if mark != self._mark:
            return "other bytes, or another object"
        return f"page {number} of version {version}, in version {self.version}"


def version_of(name: str, start: bytes) -> int | None:
    """Which version of the object begins like this; None if none does."""
    if len(start) < HEADER_BYTES:
        return None
    mark, version, page = _HEADER.unpack_from(start)
    return int(version) if mark == _mark(name) and page == 0 else None


def _mark(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=8).digest()
