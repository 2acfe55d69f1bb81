"""latency: open and stat of complete files through the mount, in microseconds, beside those of the cache's own disk."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from benchmarks.local.bench import Bench, mounted
from benchmarks.local.measure import Figure, Outcome, percentile

MICROSECONDS = 1e6
FILES = 200
"""How many different files are taken in each round."""

SHARES = {"p50": 0.5, "p99": 0.99}


def measure(bench: Bench) -> Outcome:
    """Take turns between the mount and the directory the objects were stored from."""
    names = bench.small_names[:FILES]
    with bench.daemon("latency") as daemon, mounted(daemon, bench.small_source) as target:
        for name in names:
            (target / name).read_bytes()
        mount, tmpfs = ([directory / name for name in names] for directory in (target, bench.root / "small"))
        runs = {
            "open, mount": partial(time_each, open_once, mount),
            "open, tmpfs": partial(time_each, open_once, tmpfs),
            "stat, mount": partial(time_each, os.stat, mount),
            "stat, tmpfs": partial(time_each, os.stat, tmpfs),
        }
        rounds = [{name: run() for name, run in runs.items()} for _ in range(bench.scale.repeats)]
    figures = [figure for name in runs for figure in summary(name, [taken[name] for taken in rounds])]
    return Outcome("latency: open and stat of complete files", figures)


def summary(name: str, rounds: Sequence[Sequence[float]]) -> list[Figure]:
    """The median and the 99th percentile of the calls of each round, from seconds."""
    return [
        Figure(f"{name}, {key}", "us", tuple(percentile(taken, share) * MICROSECONDS for taken in rounds))
        for key, share in SHARES.items()
    ]


def open_once(path: Path) -> None:
    """Open and close."""
    os.close(os.open(path, os.O_RDONLY))


def time_each(act: Callable[[Path], object], paths: Sequence[Path]) -> list[float]:
    """Seconds of `act` on each path."""
    seconds = []
    for path in paths:
        began = time.perf_counter()
        act(path)
        seconds.append(time.perf_counter() - began)
    return seconds
