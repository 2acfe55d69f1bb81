"""An origin in memory: the twin that tests use instead of a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import xxhash

from cachefs.errors import ObjectChanged, OriginNotFound
from cachefs.ports import PIECE_BYTES
from cachefs.types import ByteRange, Deadline, ObjectInfo

PAGE_OBJECTS = 1000


@dataclass
class MemoryOrigin:
    """Objects in a dict. `put` overwrites, as at a real origin; `read_bytes` counts what was handed out."""

    authority: str = "memory://bucket"
    read_bytes: int = 0
    _objects: dict[str, tuple[ObjectInfo, bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)  # guards _objects and read_bytes

    def put(self, key: str, data: bytes) -> ObjectInfo:
        """Store or overwrite an object; its version is a hash of its bytes."""
        info = ObjectInfo(
            uri=f"{self.authority}/{key}",
            key=key,
            size_bytes=len(data),
            version=xxhash.xxh3_64_hexdigest(data),
            mtime_ns=time.time_ns(),
        )
        with self._lock:
            self._objects[key] = (info, data)
        return info

    def remove(self, key: str) -> None:
        """Delete an object. KeyError when there is none."""
        with self._lock:
            del self._objects[key]

    def list(self, prefix: str, deadline: Deadline) -> Iterator[Sequence[ObjectInfo]]:
        """See `Origin.list`."""
        directory = not prefix or prefix.endswith("/")
        with self._lock:
            objects = [info for info, _ in self._objects.values()]
        found = sorted((o for o in objects if o.key == prefix or (directory and o.key.startswith(prefix))), key=_by_key)
        for start in range(0, len(found), PAGE_OBJECTS):
            deadline.check(f"list {self.authority}/{prefix}")
            yield found[start : start + PAGE_OBJECTS]

    def stat(self, key: str, deadline: Deadline) -> ObjectInfo:
        """See `Origin.stat`."""
        deadline.check(f"stat {self.authority}/{key}")
        return self._get(key)[0]

    def read(self, info: ObjectInfo, span: ByteRange, deadline: Deadline) -> Iterator[memoryview]:
        """See `Origin.read`."""
        current, data = self._get(info.key)
        if current.version != info.version:
            raise ObjectChanged(f"{info.uri}: version {info.version} was replaced by {current.version}")
        view = memoryview(data)[span.start : span.stop]
        for start in range(0, len(view), PIECE_BYTES):
            deadline.check(f"read {info.uri}")
            piece = view[start : start + PIECE_BYTES]
            with self._lock:
                self.read_bytes += len(piece)
            yield piece

    def close(self) -> None:
        """Nothing to release."""

    def _get(self, key: str) -> tuple[ObjectInfo, bytes]:
        with self._lock:
            try:
                return self._objects[key]
            except KeyError:
                raise OriginNotFound(f"{self.authority}/{key}: no such object") from None


def _by_key(info: ObjectInfo) -> str:
    return info.key
