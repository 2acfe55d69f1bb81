"""cost: processor seconds per GB that the daemon spends, and its memory after much was read from it.

The daemon serves without passthrough, or the kernel would do the work and neither figure would say anything. Memory is
all that is resident but the mapped pages of the memory tier, looked at while reads go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.local.bench import Bench, mounted
from benchmarks.local.measure import GIGABYTE, Figure, Outcome, Target
from benchmarks.local.reading import drop_pages, read_all
from benchmarks.node.daemon import Daemon
from benchmarks.node.procfs import Memory, cpu_seconds, memory

MEBIBYTE = 2**20
BUDGET_MIB = 400.0


def measure(bench: Bench) -> Outcome:
    """Read the object cold, then again and again, until so much was served."""
    with bench.daemon("cost", "off") as daemon, mounted(daemon, bench.object_source) as target:
        path = target / bench.object_name
        cold = _cost(daemon, path)
        costs, sizes = zip(*_serve(daemon, path, bench), strict=True)
    size_gb = bench.scale.size_bytes / GIGABYTE
    most = max(size.beyond_memory_tier for size in sizes) / MEBIBYTE
    figures = [
        Figure("processor, cold", "s/GB", (cold / size_gb,)),
        Figure("processor, warm without passthrough", "s/GB", tuple(cost / size_gb for cost in costs)),
        Figure("memory beyond the memory tier", "MiB", tuple(size.beyond_memory_tier / MEBIBYTE for size in sizes)),
        Figure("of it anonymous", "MiB", tuple(size.anonymous / MEBIBYTE for size in sizes)),
        Figure("resident, memory tier included", "MiB", tuple(size.resident / MEBIBYTE for size in sizes)),
    ]
    target_memory = Target("most memory beyond the memory tier", most, BUDGET_MIB, "at most", "MiB")
    served_gb = size_gb * (1 + len(costs))
    return Outcome(f"cost: {served_gb:,.0f} GB served by one daemon", figures, [target_memory])


def _serve(daemon: Daemon, path: Path, bench: Bench) -> Iterator[tuple[float, Memory]]:
    """Processor seconds of each read of the whole file, and the memory after it."""
    for _ in range(max(1, round(bench.scale.served_bytes / bench.scale.size_bytes) - 1)):
        drop_pages(path)
        yield _cost(daemon, path), memory(daemon.pid)


def _cost(daemon: Daemon, path: Path) -> float:
    before = cpu_seconds(daemon.pid)
    read_all([path])
    return cpu_seconds(daemon.pid) - before
