"""meta.json: which blob a directory holds, and under which boot of the machine it was last used.

The boot id answers one question: can the page cache have been lost between a write and now? Under the same boot id it
cannot, so that whatever the index says holds even after ``kill -9``. Under another one, data, hash and state byte may
have reached the disk in any order, or not at all.
"""

from __future__ import annotations

import json
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachefs.errors import CorruptBlob
from cachefs.store.layout import BlobPaths
from cachefs.store.oscalls import Calls, Step, closing_fd, write_all
from cachefs.types import BlobKey

_LONGEST_BYTES = 1 << 20  # keys are at most some kilobytes; what is longer is not ours


@dataclass(frozen=True, slots=True)
class Meta:
    """The content of meta.json."""

    key: BlobKey
    boot_id: str
    crc64: int | None
    """CRC-64/XZ of the whole object, as the origin gave it."""

    def encode(self) -> bytes:
        """As JSON text."""
        fields = {
            "uri": self.key.uri,
            "version": self.key.version,
            "size_bytes": self.key.size_bytes,
            "chunk_bytes": self.key.chunk_bytes,
            "crc64": None if self.crc64 is None else f"{self.crc64:016x}",
            "boot_id": self.boot_id,
        }
        return json.dumps(fields, indent=1).encode() + b"\n"

    @classmethod
    def decode(cls, text: bytes) -> Meta:
        """Raises CorruptBlob when `text` is not what `encode` writes."""
        try:
            fields: dict[str, Any] = json.loads(text)
            crc64 = fields["crc64"]
            meta = cls(
                BlobKey(fields["uri"], fields["version"], fields["size_bytes"], fields["chunk_bytes"]),
                fields["boot_id"],
                None if crc64 is None else int(crc64, 16),
            )
            _check_types(meta)
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptBlob(f"meta.json cannot be understood: {error!r}") from error
        return meta


def read_meta(calls: Calls, paths: BlobPaths) -> Meta:
    """Raises OSError, or CorruptBlob for a file that is not a meta.json of the blob the directory is named after."""
    meta = Meta.decode(calls(Step.META_READ, _read_bytes, paths.meta))
    if meta.key.blob_id != paths.directory.name:
        raise CorruptBlob(f"meta.json describes blob {meta.key.blob_id}")
    return meta


def write_meta(calls: Calls, paths: BlobPaths, meta: Meta) -> None:
    """Put meta.json in place, old or new but never a torn one. Raises OSError.

    By a rename, so that a process killed here leaves the old file. Without fsync, on purpose: a blob is created while
    an application waits in open(2), and on ext4 an fsync waits for everybody's dirty data. What the lack of it can
    cost is the blob, when the power fails within seconds: an empty meta.json is recognised, and the blob is a miss.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
    fd = calls(Step.META_WRITE, os.open, paths.meta_temporary, flags, 0o600)
    try:
        with closing_fd(fd):
            write_all(calls, Step.META_WRITE, fd, meta.encode(), 0)
        calls(Step.META_RENAME, os.rename, paths.meta_temporary, paths.meta)
    except OSError:
        with suppress(OSError):
            paths.meta_temporary.unlink()
        raise


def read_boot_id(path: Path = Path("/proc/sys/kernel/random/boot_id")) -> str:
    """This boot of the machine. Where the kernel does not say, a new one each time: then everything is suspect."""
    try:
        return path.read_text().strip()
    except OSError:
        return str(uuid.uuid4())


def _read_bytes(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(_LONGEST_BYTES)


def _check_types(meta: Meta) -> None:
    key = meta.key
    texts = (key.uri, key.version, meta.boot_id)
    numbers = (key.size_bytes, key.chunk_bytes)
    if not all(isinstance(text, str) for text in texts) or not all(type(number) is int for number in numbers):
        raise TypeError("a field has the wrong type")
    if key.size_bytes < 0 or key.chunk_bytes <= 0:
        raise ValueError(f"a blob of {key.size_bytes} bytes in chunks of {key.chunk_bytes}")
