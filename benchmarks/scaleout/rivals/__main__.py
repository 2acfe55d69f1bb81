"""``python -m benchmarks.scaleout.rivals --variant a|b|join``: the fleet, aria2, libtorrent side by side. Needs root.

Variant a: the origin sends as much in total as one link carries; b: a quarter of that to each client, and no limit in
total; join: one node has the model, the origin is unplugged. All run one after the other on equal links, with the same
model. Exits with 1 when the fleet read wrong bytes; when a rival fails or has wrong bytes, there is no result at all.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.lab.leftovers import prefix_of
from benchmarks.lab.network import Lab
from benchmarks.model import write_model
from benchmarks.node.oss import OssProcess
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.scaleout.options import add_run_options, check_holders
from benchmarks.scaleout.plot import compare_plot
from benchmarks.scaleout.result import Result, passed
from benchmarks.scaleout.rivals.contest import JOIN, Ground, contest
from benchmarks.scaleout.run import Theatre
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.table import OURS, rivals

CLIENT_SHARE = 4
"""Variant b: a client gets a link's rate by this."""


def settings(options: argparse.Namespace) -> RunSettings:
    """The run that was asked for."""
    variant = options.variant
    return RunSettings(
        scenario=JOIN if variant == JOIN else "cold",
        nodes=options.nodes,
        holders=options.holders,
        link=options.link,
        origin_total=options.link if variant == "a" else None,
        origin_client=options.link // CLIENT_SHARE if variant == "b" else None,
        model_bytes=options.model,
        shard_bytes=options.shard,
        chunk_bytes=options.chunk,
    )


def ground(resources: Resources, room: Path, wanted: RunSettings) -> Ground:
    """A lab with an origin in it that has a new model. Blocks."""
    room.mkdir()
    lab = resources.enter(Lab(wanted.lab()))
    place = lab.origin
    oss = resources.enter(OssProcess(room / "oss", anonymous=True, host=place.address, prefix=place.prefix))
    model = write_model(room / "model", size_bytes=wanted.model_bytes, shards=wanted.shards, seed=wanted.seed)
    oss.wait_ready()
    oss.put_tree(model.directory.name, model.directory)
    return Ground(lab, oss, model.directory, room)


def results(resources: Resources, wanted: RunSettings, *, ours: bool) -> Iterator[Result]:
    """Everybody's result, the fleet's first, as soon as it is there."""
    root = resources.enter(scratch(wanted.room_bytes + 2 * wanted.model_bytes, prefix=prefix_of(os.getpid())))
    if ours:
        yield {"system": OURS, **Theatre(resources, root).run(wanted)}
    yield from contest(ground(resources, root / "rivals", wanted), wanted)


def run(resources: Resources, options: argparse.Namespace) -> int:
    """A line for each on standard error while it goes on, everything in the end. 0 if all bytes were right."""
    found = []
    for result in results(resources, settings(options), ours=not options.without_ours):
        print(f"{result['system']}: {result['last_seconds']:.1f} s", file=sys.stderr, flush=True)
        found.append(result)
    if options.plot is not None:
        compare_plot(found, options.plot)
    print(json.dumps({"results": found}, indent=2) if options.json else rivals(found).text(), flush=True)
    return 0 if all(map(passed, found)) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaleout.rivals", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add_run_options(parser)
    add("--variant", choices=["a", "b", JOIN], default="a", help="(default: %(default)s)")
    add("--without-ours", action="store_true", help="only the rivals")
    add("--plot", type=Path, metavar="FILE.svg", help="draw the comparison")
    options = parser.parse_args(arguments)
    if options.variant == JOIN:
        check_holders(parser, options)
    return options


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
