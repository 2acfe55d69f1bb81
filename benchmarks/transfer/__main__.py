"""One stream of chunks between two daemons against bare system calls: ``python -m benchmarks.transfer [--json]``.

Two processes, each with a memory tier on tmpfs. The one has a model of 2 GiB in chunks of 8 MiB, the other fetches it
chunk by chunk, and writes, hashes, compares and commits each. Against that: one `sendfile` of the same file, received
with `recv_into` and written to a sparse file of the same tmpfs, with no hash and no chunks. All ways take turns, and
the ratio is the median of the ratios of each turn. Processor seconds are those of the two processes, per GB.

Needs root for huge pages, on which a daemon's memory tier lies where it can; ``--small-pages`` leaves them out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.local.machine import describe
from benchmarks.local.measure import GIGABYTE, Figure, Outcome, Target
from benchmarks.local.reading import touch_memory
from benchmarks.local.report import as_json, as_text
from benchmarks.node.processes import Child, python
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.transfer.node import SPARE_BYTES
from mows.units import format_bytes, parse_bytes

WAYS: Mapping[str, str] = MappingProxyType(
    {
        "bare": "bare sendfile to recv_into, to a file",
        "lane": "bulk lane",
        "lane_by_two": "bulk lane, two chunks at a time",
        "grpc": "gRPC",
        "dropped": "bare sendfile to recv_into, dropped",
    }
)
AT_LEAST_RATIO = 0.8
AT_MOST_CPU = 0.7
"""Seconds per GB, both sides. Both are from DESIGN section 10."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One transfer of the whole model."""

    gigabytes_per_second: float
    giver_cpu: float
    """Processor seconds per GB."""
    taker_cpu: float

    @property
    def cpu(self) -> float:
        """Of both sides."""
        return self.giver_cpu + self.taker_cpu


class Pair:
    """The two processes."""

    def __init__(self, resources: Resources, options: argparse.Namespace) -> None:
        self._size_bytes: int = options.size
        root = resources.enter(scratch(3 * self._size_bytes + SPARE_BYTES, prefix="mows-transfer-"))
        arguments = (str(self._size_bytes), "small" if options.small_pages else "huge")
        self._giver = _child(resources, "giver", root, arguments)
        self._taker = _child(resources, "taker", root, arguments)
        self._taker.tell(self._giver.hear())

    def transfer(self, way: str) -> Sample:
        """The model, once, by this way."""
        touch_memory(2 * self._size_bytes)
        before = self._giver_cpu_seconds()
        self._taker.tell(way)
        took = json.loads(self._taker.hear())
        giver_seconds = self._giver_cpu_seconds() - before
        gigabytes = self._size_bytes / GIGABYTE
        return Sample(gigabytes / took["seconds"], giver_seconds / gigabytes, took["cpu_seconds"] / gigabytes)

    def _giver_cpu_seconds(self) -> float:
        self._giver.tell("cpu")
        return float(json.loads(self._giver.hear())["cpu_seconds"])


def _child(resources: Resources, name: str, root: Path, arguments: Sequence[str]) -> Child:
    command = python(f"benchmarks.transfer.{name}", root / name, *arguments)
    return resources.enter(Child(name, command, root, piped=True))


def as_outcome(samples: Mapping[str, Sequence[Sample]], question: str) -> Outcome:
    """The figures of all ways, and what is demanded of the lane. Pure."""
    figures = [figure for way, taken in samples.items() for figure in _figures(WAYS[way], taken)]
    ratios = [
        lane.gigabytes_per_second / bare.gigabytes_per_second
        for lane, bare in zip(samples["lane"], samples["bare"], strict=True)
    ]
    cpu = statistics.median(sample.cpu for sample in samples["lane"])
    targets = (
        Target("bulk lane against bare, to a file", statistics.median(ratios), AT_LEAST_RATIO, "at least"),
        Target("processor of both sides, bulk lane", cpu, AT_MOST_CPU, "at most", "s/GB"),
    )
    return Outcome(question, figures, targets)


def _figures(name: str, taken: Sequence[Sample]) -> list[Figure]:
    return [
        Figure(name, "GB/s", tuple(sample.gigabytes_per_second for sample in taken)),
        Figure(f"{name}: processor, giving", "s/GB", tuple(sample.giver_cpu for sample in taken)),
        Figure(f"{name}: processor, taking", "s/GB", tuple(sample.taker_cpu for sample in taken)),
    ]


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Measure and print; 0, whether or not the targets were met: that is what the table says."""
    pair = Pair(resources, options)
    samples: dict[str, list[Sample]] = {way: [] for way in WAYS}
    for turn in range(options.repeats):
        print(f"turn {turn + 1} of {options.repeats} ...", file=sys.stderr, flush=True)
        for way, taken in samples.items():
            taken.append(pair.transfer(way))
    pages = "pages of 4 KiB" if options.small_pages else "huge pages"
    outcome = as_outcome(samples, f"One stream of chunks between two daemons, {format_bytes(options.size)}, {pages}")
    print(as_json(describe(()), [outcome]) if options.json else as_text(outcome))
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.transfer", description=(__doc__ or "").splitlines()[0])
    text.add_argument("--size", type=parse_bytes, default=2 << 30, help="of the model (default: 2GiB)")
    text.add_argument("--repeats", type=int, default=5, help="turns of all ways (default: 5)")
    text.add_argument("--small-pages", action="store_true", help="memory tiers with pages of 4 KiB")
    text.add_argument("--json", action="store_true", help="print one JSON document instead of a table")
    return text.parse_args(arguments)


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
