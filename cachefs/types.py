"""The values that cross module borders: identifiers, ranges, objects, blobs, deadlines. All immutable."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import IntEnum
from typing import NewType

import xxhash

from cachefs.errors import DeadlineExceeded

BlobId = NewType("BlobId", str)
"""32 lower-case hex digits: the xxh3-128 of a `BlobKey`."""

Ino = NewType("Ino", int)
"""An inode number (FUSE node id). 1 is the root of a mount."""

FileHandle = NewType("FileHandle", int)
"""What an open answered, and later reads name."""

ROOT_INO = Ino(1)


class Priority(IntEnum):
    """Whose bytes go first. Lower is sooner."""

    READER = 0
    """An application waits for these bytes now."""
    READ_AHEAD = 1
    """An application that reads now will probably want them soon."""
    PREWARM = 2
    """Nobody waits."""


@dataclass(frozen=True, slots=True, order=True)
class ByteRange:
    """Half-open range of bytes ``[start, stop)``."""

    start: int
    stop: int

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.stop:
            raise ValueError(f"not a range: [{self.start}, {self.stop})")

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object at one version, as the origin's listing or HEAD describes it.

    `uri` is canonical and names the object itself, whatever prefix it was listed under, so that two mounts of
    overlapping prefixes share one blob. `version` is an opaque change token: an ETag where there is one, else what
    DESIGN section 7 says (NAS: mtime_ns, size and inode). `crc64` is the CRC-64/XZ of the whole object where known.
    """

    uri: str
    key: str
    """The full key inside the bucket (OSS, S3, ...), or the absolute path (POSIX)."""
    size_bytes: int
    version: str
    mtime_ns: int
    crc64: int | None = None


@dataclass(frozen=True, slots=True)
class BlobKey:
    """What a blob is: one version of one object, cut into chunks of one size. Never the URL alone."""

    uri: str
    version: str
    size_bytes: int
    chunk_bytes: int

    @classmethod
    def of(cls, info: ObjectInfo, chunk_bytes: int) -> BlobKey:
        """The key of the blob that caches `info`."""
        return cls(info.uri, info.version, info.size_bytes, chunk_bytes)

    @property
    def blob_id(self) -> BlobId:
        """Hash of all four fields; NUL-separated so that no two different keys write the same text."""
        text = "\0".join((self.uri, self.version, str(self.size_bytes), str(self.chunk_bytes)))
        return BlobId(xxhash.xxh3_128_hexdigest(text.encode("utf-8", "surrogateescape")))

    @property
    def chunk_count(self) -> int:
        """Number of chunks; the last one may be short. 0 for an empty object."""
        return -(-self.size_bytes // self.chunk_bytes)

    def chunk_range(self, index: int) -> ByteRange:
        """The bytes of chunk `index`. Raises IndexError outside ``[0, chunk_count)``."""
        if not 0 <= index < self.chunk_count:
            raise IndexError(f"chunk {index} of {self.chunk_count}")
        start = index * self.chunk_bytes
        return ByteRange(start, min(start + self.chunk_bytes, self.size_bytes))

    def chunks_of(self, span: ByteRange) -> range:
        """Indices of all chunks that overlap `span`, which is clipped to the object."""
        stop = min(span.stop, self.size_bytes)
        if span.start >= stop:
            return range(0)
        return range(span.start // self.chunk_bytes, (stop - 1) // self.chunk_bytes + 1)


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock after which work must have ended, in data or in an error."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """`seconds` from now."""
        return cls(time.monotonic() + seconds)

    def remaining_seconds(self) -> float:
        """Seconds left, at least 0."""
        return max(0.0, self.at - time.monotonic())

    def check(self, what: str) -> float:
        """Seconds left. Raises DeadlineExceeded, naming `what`, when there are none."""
        left = self.at - time.monotonic()
        if left <= 0:
            raise DeadlineExceeded(f"{what}: out of time")
        return left
