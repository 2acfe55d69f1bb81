"""listing: a prefix with thousands of objects: until it is mounted, and until its directory was listed and stat'ed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.local.bench import Bench, mounted
from benchmarks.local.measure import Figure, Outcome
from benchmarks.node.daemon import Daemon


def measure(bench: Bench) -> Outcome:
    """Mount anew each time, so that neither the kernel nor the daemon knows the directory."""
    with bench.daemon("listing") as daemon:
        samples = [_once(bench, daemon) for _ in range(bench.scale.repeats)]
    names = ("mount", "first listing with stat", "second listing with stat", "the same on tmpfs")
    figures = [Figure(name, "s", taken) for name, taken in zip(names, zip(*samples, strict=True), strict=True)]
    return Outcome(f"listing: {len(bench.small_names):,} objects in one directory", figures)


def _once(bench: Bench, daemon: Daemon) -> tuple[float, float, float, float]:
    began = time.perf_counter()
    with mounted(daemon, bench.small_source) as target:
        mounting = time.perf_counter() - began
        expected = len(bench.small_names)
        first, second = (_timed(lambda: list_all(target), expected) for _ in range(2))
    return mounting, first, second, _timed(lambda: list_all(bench.root / "small"), expected)


def list_all(directory: Path) -> int:
    """Every name with its attributes, as ``ls -l`` wants them; how many there are."""
    with os.scandir(directory) as entries:
        return sum(1 for entry in entries if entry.stat().st_size)


def _timed(work: Callable[[], int], expected: int) -> float:
    began = time.perf_counter()
    count = work()
    seconds = time.perf_counter() - began
    if count != expected:
        raise ValueError(f"{count} of {expected} objects were listed")
    return seconds
