"""What a power cut can leave of a tier. For a tier that no daemon has open.

The boot id in each blob's meta.json is changed in any case: it is how the store learns that the machine was off.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

PAGE_BYTES = 4096
INDEX_HEADER_BYTES, INDEX_RECORD_BYTES = 64, 32
"""See `cachefs.store.index`."""


def blobs(tier: Path) -> Iterator[Path]:
    """The directory of every blob."""
    return (path.parent for path in sorted((tier / "blobs").glob("*/*/meta.json")))


def forget_boot(tier: Path) -> None:
    """Let the machine have been off: nothing is lost."""
    for blob in blobs(tier):
        path = blob / "meta.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"boot_id": "a boot before this one"}))


def lose_data(tier: Path, rng: random.Random, *, pages: int) -> None:
    """Pages of data did not reach the disk, though the index did: they are zeros now."""
    for blob in blobs(tier):
        with open(blob / "data", "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            for _ in range(pages):
                offset = rng.randrange(max(1, size // PAGE_BYTES)) * PAGE_BYTES
                os.pwrite(file.fileno(), bytes(min(PAGE_BYTES, size - offset)), offset)


def lose_index(tier: Path, rng: random.Random, *, records: int) -> None:
    """Records of the index did not reach the disk, though the data did; and some only by half."""
    for blob in blobs(tier):
        with open(blob / "index", "r+b") as file:
            count = (os.fstat(file.fileno()).st_size - INDEX_HEADER_BYTES) // INDEX_RECORD_BYTES
            for lost in range(records):
                offset = INDEX_HEADER_BYTES + rng.randrange(count) * INDEX_RECORD_BYTES
                start = INDEX_RECORD_BYTES // 2 if lost % 2 else 0
                os.pwrite(file.fileno(), bytes(INDEX_RECORD_BYTES - start), offset + start)
