"""Ask every question in one run: ``python -m benchmarks.local [--quick] [--only NAME] [--json] [--write-docs]``.

Needs root, rclone (in the virtual environment), s3fs and aria2. Exits with 0 when all was measured, whether or not the
targets were met: that is what the table says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from benchmarks.local import cold, cost, latency, lazy, listing, warm, without_passthrough
from benchmarks.local.bench import FULL, QUICK, Bench, Scale, prepare
from benchmarks.local.machine import describe
from benchmarks.local.measure import Outcome
from benchmarks.local.report import as_json, as_markdown, as_text
from benchmarks.node.processes import REPOSITORY
from benchmarks.node.resources import Resources, run_owning
from mows.units import format_bytes, parse_bytes

QUESTIONS: Mapping[str, Callable[[Bench], Outcome]] = MappingProxyType(
    {
        "warm": warm.measure,
        "without_passthrough": without_passthrough.measure,
        "cold": cold.measure,
        "lazy": lazy.measure,
        "latency": latency.measure,
        "listing": listing.measure,
        "cost": cost.measure,
    }
)
TOOLS = ("rclone", "s3fs", "aria2c")
DOCUMENT = REPOSITORY / "docs" / "BENCHMARKS.md"


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Measure, and print each outcome as it is there; 0."""
    machine = describe(TOOLS)
    scale = scale_for(options)
    bench = prepare(resources, scale)
    outcomes = []
    for name in options.only or QUESTIONS:
        print(f"{name} ...", file=sys.stderr, flush=True)
        outcomes.append(QUESTIONS[name](bench))
        if not options.json:
            print(as_text(outcomes[-1]), end="\n\n", flush=True)
    if options.json:
        print(as_json(machine, outcomes))
    if options.write_docs:
        Path(DOCUMENT).write_text(as_markdown(machine, format_bytes(scale.size_bytes), outcomes))
    return 0


def scale_for(options: argparse.Namespace) -> Scale:
    """How much to measure, by the options."""
    given = {"size_bytes": options.size, "repeats": options.repeats}
    return replace(QUICK if options.quick else FULL, **{key: value for key, value in given.items() if value})


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.local", description=__doc__.splitlines()[0])
    text.add_argument("--quick", action="store_true", help="small sizes, few repeats: whether it works, not how fast")
    text.add_argument("--size", type=parse_bytes, help="of the object and of the model (default: 2GiB, quick 64MiB)")
    text.add_argument("--repeats", type=int, help="of each run (default: 5, quick 2)")
    text.add_argument("--only", action="append", choices=QUESTIONS, help="ask this question; may be given again")
    text.add_argument("--json", action="store_true", help="print one JSON document instead of tables")
    text.add_argument("--write-docs", action="store_true", help="write docs/BENCHMARKS.md too")
    options = text.parse_args(arguments)
    if options.write_docs and (options.quick or options.only):
        text.error("--write-docs documents a whole run: leave --quick and --only out")
    return options


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
