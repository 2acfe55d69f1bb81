"""lazy: all tensors of a cold model by lazy `safe_open`, that is by page faults, against reading its files in order."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

from benchmarks.load import tensors
from benchmarks.local.bench import Bench, mounted_cold
from benchmarks.local.measure import GIGABYTE, Outcome, alternate, at_least
from benchmarks.local.reading import read_all, touch_memory
from benchmarks.node.daemon import Daemon

RATIO = 0.8


def measure(bench: Bench) -> Outcome:
    """Take turns between both, cold each time."""
    with bench.daemon("lazy") as daemon:
        runs = {
            "sequential, cold": partial(_sequential, bench, daemon),
            "lazy safe_open, cold": partial(_lazy, bench, daemon),
        }
        touched = partial(touch_memory, 2 * bench.scale.size_bytes)
        figures = alternate(runs, repeats=bench.scale.repeats, unit="GB/s", before=touched)
    target = at_least("lazy / sequential", figures["lazy safe_open, cold"], figures["sequential, cold"], RATIO)
    return Outcome("lazy: safe_open of a cold model", list(figures.values()), [target])


def _sequential(bench: Bench, daemon: Daemon) -> float:
    with mounted_cold(daemon, bench.model_source) as target:
        return read_all([target / shard for shard in bench.model.shards])


def _lazy(bench: Bench, daemon: Daemon) -> float:
    with mounted_cold(daemon, bench.model_source) as target:
        return load_rate(target)


def load_rate(directory: Path) -> float:
    """Load all tensors of a model, keeping none. GB/s."""
    began = time.perf_counter()
    size_bytes = sum(tensor.nbytes for _, tensor in tensors(directory))
    return size_bytes / GIGABYTE / (time.perf_counter() - began)
