"""``python -m benchmarks.scaleout SCENARIO --nodes N``: a fleet in the lab, measured against the bound. Needs root.

The lab is a scale model: links, chunks and model shrink together (DESIGN section 9). Exits with 1 when a read failed or
gave wrong bytes, whatever the times were.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lab.leftovers import prefix_of
from benchmarks.lab.rates import parse_rate
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.scaleout.options import add_run_options, check_holders
from benchmarks.scaleout.result import as_text, passed
from benchmarks.scaleout.run import SCENARIOS, Theatre
from benchmarks.scaleout.settings import RunSettings


def settings_from(options: argparse.Namespace) -> RunSettings:
    """The run that was asked for."""
    return RunSettings(
        scenario=options.scenario,
        nodes=options.nodes,
        link=options.link,
        origin_total=options.origin,
        origin_client=options.origin_per_client,
        model_bytes=options.model,
        shard_bytes=options.shard,
        chunk_bytes=options.chunk,
        seed=options.seed,
        holders=options.holders,
        cache=options.cache,
        discovery=options.discovery,
    )


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Run it and print the result; 0 if all checks hold."""
    settings = settings_from(options)
    root = resources.enter(scratch(settings.room_bytes + settings.model_bytes, prefix=prefix_of(os.getpid())))
    theatre = Theatre(resources, root)
    if options.baseline:
        _, result = theatre.run_with_alone(settings)
    else:
        result = theatre.run(settings)
    print(json.dumps(result, indent=2) if options.json else as_text(result), flush=True)
    if options.plot:
        from benchmarks.scaleout.plot import plot  # noqa: PLC0415  a second, for those who want pictures

        plot(result, options.plot)
    return 0 if passed(result) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.scaleout", description=__doc__.splitlines()[0])
    add = text.add_argument
    add("scenario", choices=SCENARIOS, help="what happens; described in undisturbed.py and disturbed.py")
    add_run_options(text)
    add("--origin", type=parse_rate, metavar="RATE", help="of the origin in total: variant a")
    add("--origin-per-client", type=parse_rate, metavar="RATE", help="of the origin to each node: variant b")
    add("--seed", type=int, default=0, help="of the model, and of the choice of a victim (default: %(default)s)")
    add("--cache", choices=("kept", "empty"), help="kill, rolling: what a new daemon finds (default: kept, empty)")
    add("--discovery", choices=("static", "redis"), default="static", help="(default: %(default)s)")
    add("--baseline", action="store_true", help="measure T(1) too, with one node on the same links")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the throughput by source over time")
    options = text.parse_args(arguments)
    if options.scenario == "join":
        check_holders(text, options)
    if options.scenario in {"partition", "corrupt", "slow"} and options.nodes < 2:
        text.error(f"{options.scenario} needs 2 nodes or more")
    return options


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
