"""``python -m benchmarks.lab check | up | clean``. All need root.

- ``check`` measures what TCP reaches on links of the lab; 1 when one carries less than 0.93 of its nominal rate.
- ``up`` builds a network, says how to run something in it, and keeps it until Ctrl-C.
- ``clean`` removes what killed runs have left; those that are running keep theirs.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from benchmarks.lab.check import LEAST_RATIO, measure
from benchmarks.lab.leftovers import prefix_of, remove_abandoned
from benchmarks.lab.network import Lab, LabSettings
from benchmarks.lab.rates import format_rate, parse_rate
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch

LOG_BYTES = 1 << 20


def check(resources: Resources, options: argparse.Namespace) -> int:
    """Measure at each rate; 0 if every link carries enough."""
    logs = resources.enter(scratch(LOG_BYTES, prefix=prefix_of(os.getpid())))
    enough = True
    for rate in options.rate:
        for measured in measure(rate, options.seconds, logs):
            verdict = "" if measured.enough else f"  LESS THAN {LEAST_RATIO}"
            print(f"{format_rate(rate):>8}  {measured.way:18} {measured.ratio:.3f}{verdict}", flush=True)
            enough &= measured.enough
    return 0 if enough else 1


def up(resources: Resources, options: argparse.Namespace) -> int:
    """Keep a network until a signal ends it."""
    lab = resources.enter(
        Lab(
            LabSettings(
                nodes=options.nodes,
                link_bits_per_second=options.link,
                origin_total_bits_per_second=options.origin,
                origin_client_bits_per_second=options.origin_per_client,
            )
        )
    )
    for place in lab.places:
        print(f"{place.name:10} {place.address:12} {' '.join(place.prefix)}", flush=True)
    print("up, until Ctrl-C", flush=True)
    signal.pause()
    return 0


def clean(_resources: Resources, _options: argparse.Namespace) -> int:
    """Remove what belongs to no living process; 0."""
    removed = remove_abandoned()
    for thing in (*removed.namespaces, *removed.directories):
        print(f"removed {thing}")
    return 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.lab", description="A network of namespaces.")
    commands = text.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="measure what the links carry")
    one.set_defaults(run=check)
    default = [parse_rate(rate) for rate in ("50Mbit", "200Mbit", "1Gbit")]
    one.add_argument("--rate", type=parse_rate, nargs="+", default=default, help="(default: 50Mbit 200Mbit 1Gbit)")
    one.add_argument("--seconds", type=float, default=4.0, help="of each measurement (default: %(default)s)")
    one = commands.add_parser("up", help="keep a network until Ctrl-C")
    one.set_defaults(run=up)
    add_network_options(one)
    one = commands.add_parser("clean", help="remove what killed runs have left")
    one.set_defaults(run=clean)
    return text.parse_args(arguments)


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """The options that `LabSettings` is made of."""
    parser.add_argument("--nodes", type=int, default=8, help="(default: %(default)s)")
    parser.add_argument("--link", type=parse_rate, default="200Mbit", help="of each node (default: %(default)s)")
    parser.add_argument("--origin", type=parse_rate, metavar="RATE", help="of the origin in total")
    parser.add_argument("--origin-per-client", type=parse_rate, metavar="RATE", help="of the origin to each node")


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: int(options.run(resources, options)))


if __name__ == "__main__":
    sys.exit(main())
