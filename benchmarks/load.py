"""Load a model as an engine does: every tensor, lazily, with `safetensors.safe_open`.

As a program (``python -m benchmarks.load DIR``) it says ``ready`` once everything is imported, waits for a line on its
standard input, so that several can start at once, and answers with one line of JSON. `Loader` is the other side of it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray
from safetensors import safe_open

from benchmarks.model.writer import INDEX_NAME
from benchmarks.node.processes import Child, python


@dataclass(frozen=True, slots=True)
class Loaded:
    """One load of one model by one process."""

    seconds: float
    """From the first open to the last digest."""
    size_bytes: int
    """Bytes of all tensors."""
    digests: Mapping[str, str]
    """Tensor name to the xxh3-128 of its bytes, in hex."""


def load(directory: Path) -> Loaded:
    """Read and hash all tensors. The weights must be float16.

    Time spent in hashing is part of the figure: some 20 GB/s on one core, so a tenth or less of it.
    """
    digests: dict[str, str] = {}
    size_bytes = 0
    began = time.perf_counter()
    for name, tensor in tensors(directory):
        digests[name] = xxhash.xxh3_128_hexdigest(tensor.data)
        size_bytes += tensor.nbytes
    return Loaded(time.perf_counter() - began, size_bytes, digests)


def tensors(directory: Path) -> Iterator[tuple[str, NDArray[np.float16]]]:
    """Name and values of every tensor, each read only when it is asked for, shard after shard."""
    for shard in _shards(directory):
        with safe_open(directory / shard, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118  not a mapping: it has no __iter__
                yield name, file.get_tensor(name)


def _shards(directory: Path) -> list[str]:
    index = json.loads((directory / INDEX_NAME).read_bytes())
    return sorted(set(index["weight_map"].values()))


class Loader(Child):
    """A process that loads one model once, when told to."""

    def __init__(self, name: str, directory: Path, log_directory: Path) -> None:
        super().__init__(name, python("benchmarks.load", directory), log_directory, piped=True, stop_seconds=1.0)

    def wait_ready(self) -> None:
        """Block until it has imported all it needs."""
        self.hear()

    def start(self) -> None:
        """Let it begin; does not block."""
        self.tell("go")

    def result(self) -> Loaded:
        """Block until it is done. ChildFailed when it cannot read the model."""
        return Loaded(**json.loads(self.hear()))


def load_at_once(loaders: Sequence[Loader]) -> tuple[float, list[Loaded]]:
    """Seconds from the moment all of `loaders` began to when the last was done, and what each read."""
    for loader in loaders:
        loader.wait_ready()
    began = time.perf_counter()
    for loader in loaders:
        loader.start()
    loads = [loader.result() for loader in loaders]
    return time.perf_counter() - began, loads


def main(directory: str) -> None:
    """Be the process that a `Loader` starts."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(load(Path(directory)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
