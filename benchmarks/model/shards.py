"""Safetensors shards: which tensors go into which file, the header that says where they lie, and the bytes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import xxhash
from numpy.typing import NDArray

from benchmarks.model.architecture import TensorSpec

DType = Literal["F16", "BF16"]

BLOCK_BYTES = 4 * 1024 * 1024
"""What is made, hashed and written at a time: large enough for numpy, small enough for the caches of the CPU."""

FINITE = np.uint64(0xBFFF_BFFF_BFFF_BFFF)
"""Clears the top bit of the exponents of four numbers, in float16 and bfloat16 alike: all finite, below 2."""

ALIGNMENT_BYTES = 8
"""The data of a shard begins on a multiple of this; the format pads the header with spaces."""


def split(tensors: Iterable[TensorSpec], count: int) -> list[list[TensorSpec]]:
    """Cut `tensors`, in their order, into `count` runs of about the same number of bytes, none of them empty.

    Raises ValueError when there are fewer tensors than shards.
    """
    waiting = deque(tensors)
    if len(waiting) < count:
        raise ValueError(f"{len(waiting)} tensors do not fill {count} shards: use fewer shards")
    left_bytes = sum(tensor.size_bytes for tensor in waiting)
    shards = []
    for still_empty in range(count, 0, -1):
        shard = _take(waiting, left_bytes // still_empty, leave=still_empty - 1)
        left_bytes -= sum(tensor.size_bytes for tensor in shard)
        shards.append(shard)
    return shards


def _take(waiting: deque[TensorSpec], share_bytes: int, leave: int) -> list[TensorSpec]:
    """Move tensors off the front: at least one, and further ones while more than half of each fits into the share."""
    shard = [waiting.popleft()]
    filled_bytes = shard[0].size_bytes
    while len(waiting) > leave and filled_bytes + waiting[0].size_bytes // 2 <= share_bytes:
        filled_bytes += waiting[0].size_bytes
        shard.append(waiting.popleft())
    return shard


def shard_name(index: int, count: int) -> str:
    """``model-00001-of-00008.safetensors`` for index 0 of 8."""
    return f"model-{index + 1:05}-of-{count:05}.safetensors"


def header(tensors: Sequence[TensorSpec], dtype: DType) -> bytes:
    """All that precedes the data of a shard: length, JSON, padding."""
    table: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for tensor in tensors:
        stop = start + tensor.size_bytes
        table[tensor.name] = {"dtype": dtype, "shape": tensor.shape, "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT_BYTES)
    return len(text).to_bytes(8, "little") + text


def write_shard(path: Path, tensors: Sequence[TensorSpec], dtype: DType, seed: int) -> dict[str, str]:
    """Write one shard and answer the xxh3-128 of each tensor's bytes, in hex. The same seed gives the same bytes."""
    source = random_source(path.name, seed)
    digests = {}
    with open(path, "wb", buffering=0) as file:
        file.write(header(tensors, dtype))
        for tensor in tensors:
            digest = xxhash.xxh3_128()
            for start in range(0, tensor.size_bytes, BLOCK_BYTES):
                block = random_weights(source, min(BLOCK_BYTES, tensor.size_bytes - start))
                digest.update(block)
                file.write(block)
            digests[tensor.name] = digest.hexdigest()
    return digests


def random_source(name: str, seed: int) -> np.random.SFC64:
    """What the bytes of the file `name` are drawn from."""
    return np.random.SFC64([seed, xxhash.xxh32_intdigest(name.encode())])


def random_weights(source: np.random.SFC64, size_bytes: int) -> memoryview:
    """`size_bytes` of random finite 16-bit numbers."""
    words: NDArray[np.uint64] = source.random_raw(-(-size_bytes // 8)) & FINITE
    return words.view(np.uint8)[:size_bytes].data
