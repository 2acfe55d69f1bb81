"""The command line: see the package."""

from __future__ import annotations

import argparse
import sys

import benchmarks.fuzz_api as package
from benchmarks.fuzz_api.calls import Outcome, call_all
from benchmarks.fuzz_api.world import CAPACITY_BYTES, build
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch


def _parser() -> argparse.ArgumentParser:
    about = (package.__doc__ or "").splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz_api", description=about)
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of what is made up (default: %(default)s)")
    return parser


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Call and tell; 0 if every answer was as the document says."""
    where = resources.enter(scratch(2 * CAPACITY_BYTES, prefix="mows-fuzz-"))
    world = build(resources, where)
    seconds = max(1, round(60 * options.minutes))
    outcome = call_all(world, where / "calls", seed=options.seed, amount=("--max-time", str(seconds)))
    _show(outcome)
    return int(not outcome.passed)


def _show(outcome: Outcome) -> None:
    if not outcome.passed:
        print(outcome.output)
    for failure in outcome.failures:
        print(f"FAILED: {failure}", file=sys.stderr)
    called = f"{outcome.calls} calls of {outcome.tested} of {outcome.operations} operations"
    print(f"{called}: {len(outcome.failures)} failures")


if __name__ == "__main__":
    options = _parser().parse_args()
    sys.exit(run_owning(lambda resources: run(resources, options)))
