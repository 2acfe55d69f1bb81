"""Files that only look like a model, of any size: for measurements to which a file is a row of bytes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.model.shards import BLOCK_BYTES, random_source, random_weights, shard_name


def write_files(directory: Path, count: int, size_bytes: int, *, seed: int = 0) -> Sequence[Path]:
    """Write `count` files of `size_bytes` each into the new `directory`. The same arguments give the same bytes."""
    directory.mkdir(parents=True)
    paths = [directory / shard_name(index, count) for index in range(count)]
    for path in paths:
        _write(path, size_bytes, random_source(path.name, seed))
    return paths


def _write(path: Path, size_bytes: int, source: np.random.SFC64) -> None:
    with open(path, "wb", buffering=0) as file:
        blocks = (min(BLOCK_BYTES, size_bytes - start) for start in range(0, size_bytes, BLOCK_BYTES))
        file.writelines(random_weights(source, block_bytes) for block_bytes in blocks)
