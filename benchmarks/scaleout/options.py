"""What the fleet's runs and the contest with its rivals are both told: how many nodes, how fast, how much."""

from __future__ import annotations

import argparse

from benchmarks.lab.rates import parse_rate
from mows.units import parse_bytes


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The options of the size of a run, and how it is printed."""
    add = parser.add_argument
    add("--nodes", type=int, default=8, help="(default: %(default)s)")
    add("--link", type=parse_rate, default="200Mbit", help="of each node, each way (default: %(default)s)")
    add("--model", type=parse_bytes, default="512MiB", help="(default: %(default)s)")
    add("--shard", type=parse_bytes, default="128MiB", help="size of one file of it (default: %(default)s)")
    add("--chunk", type=parse_bytes, default="512KiB", help="of the fleet's caches (default: %(default)s)")
    add("--holders", type=int, default=1, help="join: nodes that have the model already (default: %(default)s)")
    add("--json", action="store_true", help="print one JSON document")


def check_holders(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """For a join. Exits with 2 when nobody has the model, or nobody is left to join."""
    if not 0 < options.holders < options.nodes:
        parser.error(f"join with {options.nodes} nodes needs 1 to {options.nodes - 1} holders")
