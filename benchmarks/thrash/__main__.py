"""The command line: see the package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Column, Table

import benchmarks.thrash as package
from benchmarks.node.resources import Resources, run_owning
from benchmarks.thrash.run import Plan, Result, thrash
from mows.units import parse_bytes

MIB = 1 << 20


def _parser() -> argparse.ArgumentParser:
    about = (package.__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.thrash", description=about)
    parser.add_argument("--tier", type=parse_bytes, default="256MiB", help="capacity (default: %(default)s)")
    parser.add_argument("--model", type=parse_bytes, default="1GiB", help="size (default: %(default)s)")
    parser.add_argument("--chunk", type=parse_bytes, default="8MiB", help="chunk size (default: %(default)s)")
    parser.add_argument("--readers", type=int, default=4, help="at once (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each run (default: %(default)s)")
    parser.add_argument("--files", type=int, action="append", help="of the model; repeat it (default: 1 and 4)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return parser


def run(resources: Resources, options: argparse.Namespace) -> int:
    """All runs; 0 if nothing was amiss."""
    results = []
    for files in options.files or (1, 4):
        plan = Plan(options.tier, options.model, files, options.readers, options.seconds, options.chunk)
        print(f"{files} file(s) of {options.model // files // MIB} MiB ...", file=sys.stderr, flush=True)
        results.append(thrash(resources, plan))
    if options.json:
        print(json.dumps([result.document() for result in results], indent=1))
    else:
        _show(results)
    for result in results:
        for failure in result.failures:
            print(f"FAILED: {result.plan.files} file(s): {failure}", file=sys.stderr)
    return int(any(result.failures for result in results))


def _show(results: Sequence[Result]) -> None:
    console = Console()
    for result in results:
        right = (Column(name, justify="right") for name in ("MiB read", "loops", "wrong", "failed", "longest wait, s"))
        title = f"{result.plan.files} file(s): {result.rate / 1e9:.2f} GB/s for {result.seconds:.0f} s"
        table = Table("reader", *right, title=title)
        for number, reader in enumerate(result.readers):
            counts = (reader["read_bytes"] // MIB, reader["loops"], reader["wrong"], reader["failed"])
            table.add_row(f"{number} {reader['how']}", *map(str, counts), f"{reader['longest_seconds']:.2f}")
        console.print(table)
        fullest = result.fullest
        most_mib, most_df_mib = fullest.allocated_bytes / MIB, fullest.df_bytes / MIB
        console.print(
            f"tier of {result.plan.tier_bytes / MIB:.0f} MiB: at most {most_mib:.1f} MiB in files, "
            f"{most_df_mib:.1f} MiB by df, in {result.samples} looks; {result.evicted_chunks} chunks given up, "
            f"{result.origin_bytes / MIB:.0f} MiB from the origin"
        )


if __name__ == "__main__":
    options = _parser().parse_args()
    sys.exit(run_owning(lambda resources: run(resources, options)))
