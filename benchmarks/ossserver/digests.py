"""MD5 and CRC-64 of objects: the ETag and ``x-oss-hash-crc64ecma``."""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import anycrc

_PIECE_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Digest:
    """Of some bytes. ``md5`` is raw, ``crc64`` the number that the header writes in decimal."""

    size_bytes: int
    md5: bytes
    crc64: int

    @property
    def etag(self) -> str:
        """As OSS writes the tag of a simple put: upper-case hex, without quotes."""
        return self.md5.hex().upper()


class Digester:
    """A Digest in the making."""

    def __init__(self) -> None:
        self._crc_model = anycrc.Model("CRC64-XZ")  # what Alibaba calls crc64ecma
        self._md5 = hashlib.md5()
        self._crc64 = 0
        self._size_bytes = 0

    def update(self, piece: bytes | memoryview) -> None:
        """More bytes, in order."""
        self._md5.update(piece)
        self._crc64 = self._crc_model.calc(piece, self._crc64)
        self._size_bytes += len(piece)

    def digest(self) -> Digest:
        """Of all bytes so far."""
        return Digest(self._size_bytes, self._md5.digest(), self._crc64)


def digest_bytes(data: bytes | memoryview) -> Digest:
    """Of bytes in memory."""
    digester = Digester()
    view = memoryview(data)
    for start in range(0, len(view), _PIECE_BYTES):
        digester.update(view[start : start + _PIECE_BYTES])
    return digester.digest()


def digest_parts(path: Path, part_bytes: int) -> list[Digest]:
    """Of each part of a file, on all cores."""
    size = path.stat().st_size
    if size == 0:
        return [digest_bytes(b"")]
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
        memoryview(data) as view,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        # hashlib lets go of the interpreter's lock, so threads are enough.
        return list(pool.map(lambda start: _digest_slice(view, start, start + part_bytes), range(0, size, part_bytes)))


def _digest_slice(view: memoryview, start: int, stop: int) -> Digest:
    with view[start:stop] as piece:
        return digest_bytes(piece)


def combine(parts: Sequence[Digest]) -> int:
    """The CRC-64 of the parts one behind the other."""
    model = anycrc.Model("CRC64-XZ")
    crc64 = 0
    for part in parts:
        crc64 = model.combine(crc64, part.crc64, part.size_bytes)
    return crc64


def multipart_etag(parts: Sequence[Digest]) -> str:
    """The tag of a multipart object: no MD5 of its bytes, only a marker of change."""
    joined = b"".join(part.md5 for part in parts)
    return f"{hashlib.md5(joined).hexdigest().upper()}-{len(parts)}"
