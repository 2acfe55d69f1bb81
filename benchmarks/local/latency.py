"""latency: open and stat of complete files through the mount, in microseconds, beside those of the cache's own disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.local.bench import Bench, mounted
from benchmarks.local.measure import Figure, Outcome, percentile

MICROSECONDS = 1e6
FILES = 200
"""How many different files; each is taken `repeats` times."""


def measure(bench: Bench) -> Outcome:
    """Take turns between the mount and the directory the objects were stored from."""
    names = bench.small_names[:FILES]
    with bench.daemon("latency") as daemon, mounted(daemon, bench.small_source) as target:
        directories = {"mount": target, "tmpfs": bench.root / "small"}
        for name in names:
            (target / name).read_bytes()
        figures = [
            figure
            for act in (open_once, os.stat)
            for where, directory in directories.items()
            for figure in summary(f"{act.__name__.split('_')[0]}, {where}", _each(act, directory, names, bench))
        ]
    return Outcome("latency: open and stat of complete files", figures)


def summary(name: str, seconds: Sequence[float]) -> list[Figure]:
    """The median and the 99th percentile of single calls, as figures of one sample each."""
    shares = {"p50": 0.5, "p99": 0.99}
    times = {key: percentile(seconds, share) * MICROSECONDS for key, share in shares.items()}
    return [Figure(f"{name}, {key}", "us", (value,)) for key, value in times.items()]


def open_once(path: Path) -> None:
    """Open and close."""
    os.close(os.open(path, os.O_RDONLY))


def _each(act: Callable[[Path], object], directory: Path, names: Sequence[str], bench: Bench) -> list[float]:
    return [_timed(act, directory / name) for _ in range(bench.scale.repeats) for name in names]


def _timed(act: Callable[[Path], object], path: Path) -> float:
    began = time.perf_counter()
    act(path)
    return time.perf_counter() - began
