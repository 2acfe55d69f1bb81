"""cold: an object nobody has read yet, through the mount by one reader, against parallel downloads of it to tmpfs."""

from __future__ import annotations

from functools import partial

from benchmarks.local.bench import Bench, mounted_cold
from benchmarks.local.downloads import Download, with_aria2, with_obstore
from benchmarks.local.measure import Outcome, alternate, at_least, fastest
from benchmarks.local.reading import read_all, touch_memory
from benchmarks.node.daemon import Daemon

RATIO = 0.9


def measure(bench: Bench) -> Outcome:
    """Take turns between one sequential reader and two downloads."""
    with bench.daemon("cold") as daemon:
        runs = {
            "mount, cold": partial(_read_cold, bench, daemon),
            "obstore": partial(_download, bench, with_obstore),
            "aria2": partial(_download, bench, with_aria2),
        }
        touched = partial(touch_memory, 2 * bench.scale.size_bytes)
        figures = alternate(runs, repeats=bench.scale.repeats, unit="GB/s", before=touched)
    best = fastest([figures["obstore"], figures["aria2"]])
    target = at_least(f"mount / {best.name}", figures["mount, cold"], best, RATIO)
    return Outcome("cold: the first read of an object", list(figures.values()), [target])


def _read_cold(bench: Bench, daemon: Daemon) -> float:
    with mounted_cold(daemon, bench.object_source) as target:
        return read_all([target / bench.object_name])


def _download(bench: Bench, download: Download) -> float:
    target = bench.root / "downloaded"
    try:
        return download(bench.object_url, bench.scale.size_bytes, target)
    finally:
        target.unlink(missing_ok=True)
