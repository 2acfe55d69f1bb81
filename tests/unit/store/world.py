"""Objects, blobs and faults that the tests of the store share."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from cachefs.store import Blob, Store, TierSettings
from cachefs.store.crc64 import crc64
from cachefs.store.layout import blob_paths
from cachefs.store.oscalls import Calls, Step
from cachefs.types import BlobId, BlobKey, ObjectInfo
from tests.fired import note

P = ParamSpec("P")
R = TypeVar("R")

CHUNK_BYTES = 16384
BOOT = "this-boot"
ROOMY = 64 << 20


def content(size_bytes: int, seed: int = 0) -> bytes:
    """Bytes that look like nothing else."""
    return random.Random(seed).randbytes(size_bytes)


def describe(name: str, data: bytes, *, version: str = "v1", crc: int | None = None) -> ObjectInfo:
    """The object `name` with content `data`."""
    return ObjectInfo(f"memory://bucket/{name}", name, len(data), version, 0, crc)


def described_with_crc(name: str, data: bytes) -> ObjectInfo:
    """As `describe`, from an origin that gives the CRC-64."""
    return describe(name, data, crc=crc64(data))


def open_store(
    *paths: Path,
    capacity_bytes: int = ROOMY,
    calls: Calls | None = None,
    clock: Callable[[], float] | None = None,
    boot_id: str = BOOT,
) -> Store:
    """A store over directories of equal capacity."""
    tiers = [TierSettings(path, capacity_bytes) for path in paths]
    more: dict[str, Any] = {"clock": clock} if clock else {}
    return Store(tiers, chunk_bytes=CHUNK_BYTES, calls=calls, boot_id=boot_id, **more)


def put(blob: Blob, chunk: int, data: bytes) -> bytes:
    """Write the chunk of an object that is `data`, in two pieces. Returns the digest."""
    span = blob.key.chunk_range(chunk)
    middle = (span.start + span.stop) // 2
    writer = blob.write(chunk)
    try:
        writer.write(memoryview(data)[span.start : middle])
        writer.write(memoryview(data)[middle : span.stop])
        return writer.commit()
    finally:
        writer.abort()


def is_sealed(blob: Blob) -> bool:
    """As a call, so that the type checker does not take an earlier answer for granted."""
    return blob.sealed


def fill(store: Store, info: ObjectInfo, data: bytes) -> BlobId:
    """Cache a whole object."""
    blob = store.acquire(info)
    try:
        for chunk in range(blob.key.chunk_count):
            put(blob, chunk, data)
        assert blob.sealed
        return blob.blob_id
    finally:
        blob.release()


def blob_id_of(info: ObjectInfo) -> BlobId:
    """The id under which the store of `open_store` keeps the object."""
    return BlobKey.of(info, CHUNK_BYTES).blob_id


def flip_bit(tier: Path, blob_id: BlobId, offset: int) -> None:
    """Rot."""
    with open(blob_paths(tier, blob_id).data, "r+b") as file:
        byte = os.pread(file.fileno(), 1, offset)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 1]), offset)


def occupied_bytes(tier: Path) -> int:
    """Blocks of all blob directories and what is in them, as du counts."""
    directories = [path for path in (tier / "blobs").glob("*/*") if path.is_dir()]
    files = [file for directory in directories for file in directory.iterdir()]
    return 512 * sum(path.lstat().st_blocks for path in (*directories, *files))


@dataclass
class FailingCalls(Calls):
    """Fails the calls of one step, from the `skip`-th on, `times` times.

    `short` halves a write instead of the first failure; with `error` 0 that is all.
    """

    step: Step | None = None
    error: int = errno.EIO
    skip: int = 0
    times: int = 1_000_000
    short: bool = False
    seen: list[Step] = field(default_factory=list)

    def __call__(self, step: Step, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """See `Calls`."""
        self.seen.append(step)
        if step is self.step and self.times > 0:
            if self.skip > 0:
                self.skip -= 1
            elif self.short:
                self.short = False
                self.times = self.times if self.error else 0
                fd, data, offset = args
                return call(fd, data[: len(data) // 2], offset)  # type: ignore[call-arg, arg-type, index]  # a pwrite
            else:
                self.times -= 1
                note(step.label)
                raise OSError(self.error, os.strerror(self.error))
        return call(*args, **kwargs)
