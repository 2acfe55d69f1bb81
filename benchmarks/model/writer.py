"""Write a whole model directory, and remember what every tensor must read as."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.model.architecture import Architecture, architecture_for
from benchmarks.model.shards import DType, shard_name, split, write_shard
from benchmarks.model.tokenizer import tokenizer, tokenizer_config

INDEX_NAME = "model.safetensors.index.json"
TORCH_DTYPES: Mapping[DType, str] = {"F16": "float16", "BF16": "bfloat16"}
DEFAULT_SIZE_BYTES = 2 * 1024**3
DEFAULT_SHARDS = 8


@dataclass(frozen=True, slots=True)
class Model:
    """What was written where."""

    directory: Path
    architecture: Architecture
    shards: tuple[str, ...]
    """File names, in the order in which an engine reads them."""
    digests: Mapping[str, str]
    """Tensor name to the xxh3-128 of its bytes, in hex."""

    @property
    def files(self) -> list[Path]:
        """Every file of the model, sorted by name."""
        return sorted(self.directory.iterdir())

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(path.stat().st_size for path in self.files)


def write_model(
    directory: Path,
    *,
    size_bytes: int = DEFAULT_SIZE_BYTES,
    shards: int = DEFAULT_SHARDS,
    dtype: DType = "F16",
    seed: int = 0,
) -> Model:
    """Write a model of about `size_bytes` of weights into the empty or new `directory`.

    float16 is the default because numpy has it; bfloat16 is what the models of today come in. The same arguments give
    the same bytes. Raises ValueError when so small a model cannot fill so many shards.
    """
    architecture = architecture_for(size_bytes)
    directory.mkdir(parents=True, exist_ok=True)
    digests: dict[str, str] = {}
    shard_of: dict[str, str] = {}
    for index, tensors in enumerate(split(architecture.tensors(), shards)):
        name = shard_name(index, shards)
        digests |= write_shard(directory / name, tensors, dtype, seed)
        shard_of |= dict.fromkeys((tensor.name for tensor in tensors), name)
    documents = {
        "config.json": architecture.config(TORCH_DTYPES[dtype]),
        "generation_config.json": {"bos_token_id": 0, "eos_token_id": 0, "do_sample": False},
        "tokenizer.json": tokenizer(),
        "tokenizer_config.json": tokenizer_config(),
        INDEX_NAME: {"metadata": {"total_size": architecture.size_bytes}, "weight_map": dict(sorted(shard_of.items()))},
    }
    for name, document in documents.items():
        (directory / name).write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return Model(directory, architecture, tuple(dict.fromkeys(shard_of.values())), digests)
