"""``python -m benchmarks.budget``: the daemon under a memory limit of its tier + 512 MiB, with more work than fits.

Readers read a model that is twice as large as the memory tier, each in an order of its own, from an origin in a process
of its own, while a prefix of 10,000 objects is mounted and listed. Prints the peak that the kernel charged, the most of
it that could not have been had back, and what was wrong; 1 when anything was. Needs root and a memory control group.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.budget.cgroup import MemoryGroup, memory_group
from benchmarks.budget.load import count_files, digests_of, read_all, write_names
from benchmarks.model import write_files
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.sampling import sampled
from benchmarks.node.scratch import scratch

MIB = 1 << 20
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Load:
    """What is done."""

    tier_bytes: int = 480 * MIB
    beyond_bytes: int = 512 * MIB
    """What the daemon may take besides its memory tier."""
    readers: int = 8
    files: int = 30
    file_bytes: int = 32 * MIB
    objects: int = 10_000
    """In the prefix that is only listed."""
    chunk_bytes: int = 8 * MIB

    @property
    def limit_bytes(self) -> int:
        """Of the control group."""
        return self.tier_bytes + self.beyond_bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    limit_bytes: int
    peak_bytes: int
    """Charged at most: with the tier's pages, and with page cache, which the kernel takes back when it must."""
    anonymous_bytes: int
    """Heap and stacks at most, sampled."""
    oom_kills: int
    listed: int
    read_bytes: int
    seconds: float
    wrong: Sequence[str]

    @property
    def good(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong and self.oom_kills == 0


def measure(load: Load, where: Path) -> Result:
    """Run it in `where`. Raises NoMemoryGroup, ChildFailed."""
    digests = digests_of(write_files(where / "model", load.files, load.file_bytes))
    write_names(where / "many", load.objects)
    with OssProcess(where / "origin") as origin, memory_group(load.limit_bytes) as group:
        origin.wait_ready()
        sources = {name: origin.put_tree(name, where / name) for name in ("model", "many")}
        settings = DaemonSettings(where / "node", load.tier_bytes, origin.origin(), huge_pages="off")
        settings = replace(settings, prefix=group.prefix, sections={"cache": {"chunk_bytes": load.chunk_bytes}})
        with Daemon(settings) as daemon:
            daemon.wait_ready()
            return _worked(load, daemon, group, sources, digests)


def _worked(
    load: Load, daemon: Daemon, group: MemoryGroup, sources: Mapping[str, str], digests: Mapping[str, str]
) -> Result:
    began = time.monotonic()
    with sampled(group.anonymous_bytes, SAMPLE_SECONDS) as anonymous:
        targets = {name: daemon.mount(name, source) for name, source in sources.items()}
        listed = count_files(targets["many"])
        wrong = list(read_all(targets["model"], digests, load.readers))
        if daemon.process.poll() is not None:
            wrong.append(f"the daemon ended with status {daemon.process.returncode}")
        elif daemon.call("GET", f"/ls?source={sources['many']}&limit={load.objects}")["files"] != load.objects:
            wrong.append("the listing lacks objects")
    return Result(
        limit_bytes=load.limit_bytes,
        peak_bytes=group.peak_bytes(),
        anonymous_bytes=max(anonymous),
        oom_kills=group.oom_kills(),
        listed=listed,
        read_bytes=load.readers * load.files * load.file_bytes,
        seconds=round(time.monotonic() - began, 1),
        wrong=wrong if listed == load.objects else [*wrong, f"{listed} of {load.objects} files were listed"],
    )


DEFAULT = Load()


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.budget", description=__doc__)
    parser.add_argument("--tier-mib", type=int, default=DEFAULT.tier_bytes // MIB)
    parser.add_argument("--readers", type=int, default=DEFAULT.readers)
    parser.add_argument("--files", type=int, default=DEFAULT.files)
    parser.add_argument("--file-mib", type=int, default=DEFAULT.file_bytes // MIB)
    parser.add_argument("--objects", type=int, default=DEFAULT.objects)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; the exit code."""
    options = _parsed(arguments)
    load = Load(
        tier_bytes=options.tier_mib * MIB,
        readers=options.readers,
        files=options.files,
        file_bytes=options.file_mib * MIB,
        objects=options.objects,
    )

    def work(resources: Resources) -> int:
        room_bytes = load.tier_bytes + load.files * load.file_bytes
        result = measure(load, resources.enter(scratch(room_bytes, prefix="mows-budget-")))
        print(json.dumps({"load": asdict(load), "result": asdict(result)}, indent=2) if options.json else _text(result))
        return 0 if result.good else 1

    return run_owning(work)


def _text(result: Result) -> str:
    lines = [
        f"limit      {result.limit_bytes / MIB:8.0f} MiB (memory tier + 512 MiB)",
        f"peak       {result.peak_bytes / MIB:8.0f} MiB charged, page cache included",
        f"anonymous  {result.anonymous_bytes / MIB:8.0f} MiB at most",
        f"oom kills  {result.oom_kills:8}",
        f"read       {result.read_bytes / MIB:8.0f} MiB in {result.seconds} s, {result.listed} objects listed",
        *(f"WRONG: {line}" for line in result.wrong),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
