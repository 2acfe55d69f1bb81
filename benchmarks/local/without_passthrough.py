"""without_passthrough: a warm file through a mount that may not use passthrough, against rclone's and s3fs's mounts.

Every one has the file in its own cache, on tmpfs, and has been read before. The target compares the mounts as they are:
what the kernel kept of the last read counts, because keeping it is what a mount decides (`FOPEN_KEEP_CACHE`). How fast
the programs themselves are, with the pages of the mount dropped before each read, stands beside it.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from benchmarks.local.bench import Bench, mounted
from benchmarks.local.measure import Outcome, alternate, at_least, fastest
from benchmarks.local.reading import drop_pages, read_all
from benchmarks.local.rivals import RIVALS, Place, RivalMount

RATIO = 2.0
OURS = "mount without passthrough"


def measure(bench: Bench) -> Outcome:
    """Take turns between three mounts of the same object."""
    rivals = [_start(bench, name) for name in RIVALS]
    with bench.daemon("without", "off") as daemon, mounted(daemon, bench.object_source) as target:
        paths = {rival.name: rival.wait_mounted() / bench.object_name for rival in rivals}
        paths[OURS] = target / bench.object_name
        for path in paths.values():
            read_all([path])
        runs = {name: partial(_read_kept, path) for name, path in paths.items()}
        runs |= {f"{name}, pages dropped": partial(_read_dropped, path) for name, path in paths.items()}
        figures = alternate(runs, repeats=bench.scale.repeats, unit="GB/s")
    for rival in rivals:
        rival.stop()
    best = fastest([figures[rival.name] for rival in rivals])
    target_ratio = at_least(f"{OURS} / {best.name}", figures[OURS], best, RATIO)
    return Outcome("without_passthrough: against other mounts", list(figures.values()), [target_ratio])


def _start(bench: Bench, name: str) -> RivalMount:
    place = Place(bench.server.endpoint, "object", bench.root / name)
    return bench.resources.enter(RivalMount(name, place))


def _read_dropped(path: Path) -> float:
    drop_pages(path)
    return read_all([path])


def _read_kept(path: Path) -> float:
    return read_all([path])
