"""warm: a cached file read and mapped through the mount, against the cache file itself.

The second and later reads of a complete file, which the kernel serves by passthrough where it has that.
"""

from __future__ import annotations

from functools import partial

from benchmarks.local.bench import Bench, data_file, mounted
from benchmarks.local.measure import Outcome, alternate, at_least
from benchmarks.local.reading import map_all, read_all

READ_RATIO = 0.90
MAP_RATIO = 0.85
ROUNDS = 5
"""How many times as often as elsewhere: these runs take a tenth of a second, so one disturbance is all of one."""


def measure(bench: Bench) -> Outcome:
    """Take turns between the mount and the file in the tier."""
    with bench.daemon("warm") as daemon, mounted(daemon, bench.object_source) as target:
        path = target / bench.object_name
        read_all([path])
        native = data_file(daemon, path)
        before = daemon.metric("mows_fuse_opens_total", mode="cached")
        runs = {
            "cache file, read": partial(read_all, [native]),
            "mount, read": partial(read_all, [path]),
            "cache file, mmap": partial(map_all, native),
            "mount, mmap": partial(map_all, path),
        }
        figures = alternate(runs, repeats=ROUNDS * bench.scale.repeats, unit="GB/s")
        cached_opens = daemon.metric("mows_fuse_opens_total", mode="cached") - before
    how = "by passthrough" if cached_opens == 0 else f"{cached_opens:g} opens without passthrough"
    targets = [
        at_least("mount / cache file, read", figures["mount, read"], figures["cache file, read"], READ_RATIO),
        at_least("mount / cache file, mmap", figures["mount, mmap"], figures["cache file, mmap"], MAP_RATIO),
    ]
    return Outcome(f"warm: a cached file through the mount ({how})", list(figures.values()), targets)
