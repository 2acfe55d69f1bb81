"""Simulate a swarm: ``python -m benchmarks.simulate [--nodes 100] [--model 700GB] [--scenario cold] [--json]``.

``python -m benchmarks.simulate validate LAB.json...`` compares with what `benchmarks.scaleout` measured (``--json``);
``python -m benchmarks.simulate report`` prints the table of docs/design/0006-swarm-at-scale.md.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.simulate import document, validate
from benchmarks.simulate.report import as_json, as_rows, as_text
from benchmarks.simulate.scenario import ETHERNET_EFFICIENCY_RATIO, NAMES, Scale, Scenario, scaled
from benchmarks.simulate.swarm import simulate
from mows.units import parse_bytes


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 when nodes got stuck, or the lab and the simulator are too far apart."""
    if arguments[:1] == ["validate"]:
        return _validate(arguments[1:])
    if arguments[:1] == ["report"]:
        return _report(arguments[1:])
    options = parse(arguments)
    scale = scaled(options.model, options.chunk, options.max_chunks, options.link)
    if scale.chunk_bytes != options.chunk:
        print(
            f"simulating {scale.model_bytes:,} bytes of the model in chunks of {scale.chunk_bytes:,}, to have at most "
            f"{options.max_chunks} (--max-chunks); all of it takes {scale.times:.1f} x as long",
            file=sys.stderr,
        )
    result = simulate(scenario_for(options, scale), options.chunk)
    print(json.dumps(as_json(result), indent=2) if options.json else as_text(result))
    return 1 if result.unfinished else 0


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--scenario", choices=NAMES, default="cold")
    add("--nodes", type=int, default=100)
    add("--model", type=parse_bytes, default=document.MODEL_BYTES, help="bytes, with a unit (default: 700GB)")
    add("--chunk", type=parse_bytes, default=document.REAL_CHUNK_BYTES, help="bytes of a real chunk (default: 8MiB)")
    add(
        "--max-chunks",
        type=int,
        default=document.CHUNKS,
        help="simulated at most (default: %(default)s)",
    )
    add("--link", type=float, default=100e9, help="bit/s of every node, each way (default: 100e9)")
    add("--origin-total", type=float, default=100e9, help="bit/s; 0: no limit (default: 100e9)")
    add("--origin-per-client", type=float, default=10e9, help="bit/s; 0: no limit (default: 10e9)")
    add("--efficiency", type=float, default=ETHERNET_EFFICIENCY_RATIO, help="payload of what links carry")
    add("--warm", type=int, default=1, help="join: nodes that have the model; the origin is unplugged")
    add("--interval", type=float, default=1.0, help="staggered: seconds between two starts")
    add("--dying", type=_ratio, default=0.01, help="kill: how many nodes die at half time (default: 1%%)")
    add("--slow", type=_ratio, default=0.01, help="slow: how many nodes have a tenth of the rate (default: 1%%)")
    add("--zones", type=int, default=4, help="zones: how many")
    add("--border", type=float, default=200e9, help="zones: bit/s into each from all others; 0: no limit")
    add("--no-directory", action="store_true", help="nodes know only those whose word they hear, as with a static list")
    add("--seed", type=int, default=1)
    add("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.nodes < 1 or options.max_chunks < 1:
        parser.error("--nodes and --max-chunks are at least 1")
    if options.scenario == "join" and not 0 < options.warm < options.nodes:
        parser.error("--warm leaves at least one node to join, and is at least 1")
    return options


def scenario_for(options: argparse.Namespace, scale: Scale) -> Scenario:
    """The scenario that the options describe; those of other scenarios do not count."""
    name = options.scenario
    return Scenario(
        name=name,
        nodes=options.nodes,
        model_bytes=scale.model_bytes,
        chunk_bytes=scale.chunk_bytes,
        link_bits_per_second=options.link,
        origin_total_bits_per_second=options.origin_total or None,
        origin_client_bits_per_second=options.origin_per_client or None,
        origin_plugged=name != "join",
        warm=options.warm if name == "join" else 0,
        interval_seconds=options.interval if name == "staggered" else 0.0,
        zones=options.zones if name == "zones" else 1,
        border_bits_per_second=(options.border or None) if name == "zones" else None,
        directory=not options.no_directory,
        dying_ratio=options.dying if name == "kill" else 0.0,
        slow_ratio=options.slow if name == "slow" else 0.0,
        efficiency_ratio=options.efficiency,
        seed=options.seed,
    )


def _ratio(text: str) -> float:
    """``1%`` or ``0.01``."""
    ratio = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= ratio < 1:
        raise argparse.ArgumentTypeError("is not between 0 and 1")
    return ratio


def _validate(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate validate", description=validate.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="LAB.json")
    files = parser.parse_args(arguments).files
    comparisons = [validate.compare(result) for path in files for result in validate.results_in(path)]
    print(validate.as_markdown(comparisons))
    return 0 if all(one.close for one in comparisons) else 1


def _report(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate report", description=document.__doc__)
    parser.add_argument("--nodes", type=int, nargs="+", default=[100])
    scenarios = {
        name: scenario
        for nodes in parser.parse_args(arguments).nodes
        for name, scenario in document.runs(nodes).items()
    }
    results = {}
    for name, scenario in scenarios.items():
        results[name] = result = simulate(scenario, document.REAL_CHUNK_BYTES)
        print(f"{name}: {as_text(result)}", file=sys.stderr, flush=True)
    print(as_rows(results))
    return 1 if any(result.unfinished for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
