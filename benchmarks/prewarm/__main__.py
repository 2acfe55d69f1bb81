"""``python -m benchmarks.prewarm --nodes 4 --size 2GiB``: a prewarm of a fleet in the lab, and its lease. Needs root.

Exits with 1 when bytes came twice, the lease did not hold, or a read was wrong, whatever the times were.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from benchmarks.lab.leftovers import prefix_of
from benchmarks.lab.rates import parse_rate
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.prewarm.run import as_text, passed, play
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.stage import Stage, write_workload
from mows.units import parse_bytes


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.prewarm", description=__doc__.splitlines()[0])
    add = text.add_argument
    add("--nodes", type=int, default=4, help="(default: %(default)s)")
    add("--size", type=parse_bytes, default="2GiB", help="of the model (default: %(default)s)")
    add("--shard", type=parse_bytes, default="256MiB", help="size of one file of it (default: %(default)s)")
    add("--chunk", type=parse_bytes, default="1MiB", help="of the caches (default: %(default)s)")
    add("--link", type=parse_rate, default="800Mbit", help="of each node, each way (default: %(default)s)")
    add("--origin", type=parse_rate, default="800Mbit", help="of the origin in total (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON document")
    return text.parse_args(arguments)


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Run it and print the result; 0 if it is as promised."""
    settings = RunSettings(
        scenario="prewarm",
        nodes=options.nodes,
        link=options.link,
        origin_total=options.origin,
        model_bytes=options.size,
        shard_bytes=options.shard,
        chunk_bytes=options.chunk,
    )
    room_bytes = settings.room_bytes + 2 * settings.model_bytes
    root = resources.enter(scratch(room_bytes, prefix=prefix_of(os.getpid())))
    stage = Stage(resources, root / "run", settings, write_workload(root / "model", settings))
    try:
        result = play(stage)
    finally:
        stage.tear_down()
    print(json.dumps(result, indent=2) if options.json else as_text(result), flush=True)
    return 0 if passed(result) else 1


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
