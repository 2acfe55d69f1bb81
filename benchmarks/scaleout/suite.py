"""All runs that must be shown, in one go: ``python -m benchmarks.scaleout.suite --output FILE.json``.

Cold starts with 1, 2, 4 and 8 nodes in both variants, `join` with one holder, and every disturbed scenario beside the
undisturbed one. Prints what is demanded of each beside what was measured. Exits with 1 when a read failed, a digest was
wrong, or a corrupting peer went unnamed; a demand that was missed is printed, not an error.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from benchmarks.lab.leftovers import prefix_of
from benchmarks.local.machine import describe
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import scratch
from benchmarks.scaleout.result import Result, as_text, passed, with_alone
from benchmarks.scaleout.run import Theatre
from benchmarks.scaleout.settings import RunSettings
from mows.units import parse_bytes

LINK = 200_000_000
CLIENT = 50_000_000
COLD_NODES = (1, 2, 4, 8)
DISTURBED = ("kill", "slow", "corrupt", "partition", "rolling")

COLD_RATIO = 1.25
COLD_ORIGIN_RATIO = 1.05
SPEED_UP = 3.0
JOIN_RATIO = 1.3
DISTURBED_RATIO = 1.5
DISTURBED_ORIGIN_RATIO = 1.15


@dataclass(frozen=True, slots=True)
class Demand:
    """What one run has to reach."""

    run: str
    name: str
    measured: float
    at_most: float

    @property
    def met(self) -> bool:
        """Whether it did."""
        return self.measured <= self.at_most

    def __str__(self) -> str:
        """One line."""
        return f"{self.run:16} {self.name:34} {self.measured:6.3f}  at most {self.at_most:.3f}: {self._verdict}"

    @property
    def _verdict(self) -> str:
        return "met" if self.met else "MISSED"


def plan(base: RunSettings, nodes: int) -> Iterator[RunSettings]:
    """All runs, in order. `base` says the sizes; links and limits are those of the lab's scale model."""
    total = replace(base, link=LINK, origin_total=LINK, origin_client=None)
    client = replace(base, link=LINK, origin_total=None, origin_client=CLIENT)
    for variant in (total, client):
        for count in (count for count in COLD_NODES if count <= nodes):
            yield replace(variant, scenario="cold", nodes=count)
    yield replace(total, scenario="join", nodes=nodes, holders=1)
    for scenario in DISTURBED:
        yield replace(total, scenario=scenario, nodes=nodes)


def with_measured_alone(results: Sequence[Result]) -> list[Result]:
    """The same, where cold starts know the T(1) that was measured in this run."""
    alone = {one["variant"]: one["last_seconds"] for one in results if one["scenario"] == "cold" and one["nodes"] == 1}
    return [
        with_alone(one, alone[one["variant"]]) if one["scenario"] == "cold" and one["variant"] in alone else one
        for one in results
    ]


def demands(results: Sequence[Result]) -> Iterator[Demand]:
    """What was demanded of these runs; the largest fleet's cold start is what the disturbed ones are held against."""
    most = max(one["nodes"] for one in results)
    cold = {one["variant"]: one for one in results if one["scenario"] == "cold" and one["nodes"] == most}
    for one in results:
        if one["nodes"] == most:
            yield from _of(one, cold)


def _of(one: Result, cold: dict[str, Result]) -> Iterator[Demand]:
    name = f"{one['scenario']} ({one['variant']})"
    if one["scenario"] == "cold":
        yield Demand(name, "last / bound", one["ratio"], COLD_RATIO)
        yield Demand(name, "origin / model", one["origin_ratio"], COLD_ORIGIN_RATIO)
        if one["variant"] == "b":
            yield Demand(name, "T(N) / T(1)", one["last_seconds"] / one["alone_seconds"], 1 / SPEED_UP)
    elif one["scenario"] == "join":
        yield Demand(name, "last / one transfer at line rate", one["ratio"], JOIN_RATIO)
    elif one["scenario"] in DISTURBED:
        undisturbed = cold[one["variant"]]["last_seconds"]
        yield Demand(name, "last / undisturbed", one["last_seconds"] / undisturbed, DISTURBED_RATIO)
        yield Demand(name, "origin / model", one["origin_ratio"], DISTURBED_ORIGIN_RATIO)


def run(resources: Resources, options: argparse.Namespace) -> int:
    """Run all; 0 if all checks hold."""
    base = RunSettings(
        scenario="cold",
        nodes=options.nodes,
        link=LINK,
        model_bytes=options.model,
        shard_bytes=options.shard,
        chunk_bytes=options.chunk,
    )
    root = resources.enter(scratch(base.room_bytes + base.model_bytes, prefix=prefix_of(os.getpid())))
    theatre = Theatre(resources, root)
    results: list[Result] = []
    for settings in plan(base, options.nodes):
        results.append(theatre.run(settings))
        print(as_text(results[-1]), end="\n\n", flush=True)
    results = with_measured_alone(results)
    for demand in (demanded := list(demands(results))):
        print(demand)
    verdicts = [asdict(demand) | {"met": demand.met} for demand in demanded]
    document = {"machine": asdict(describe(())), "results": results, "demands": verdicts}
    options.output.write_text(json.dumps(document, indent=1) + "\n")
    return 0 if all(map(passed, results)) else 1


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said on the command line. Exits with 2 when it makes no sense."""
    text = argparse.ArgumentParser(prog="python -m benchmarks.scaleout.suite", description=__doc__.splitlines()[0])
    text.add_argument("--output", type=Path, required=True, metavar="FILE.json", help="where all results go")
    text.add_argument("--nodes", type=int, default=8, help="of the largest fleet (default: %(default)s)")
    text.add_argument("--model", type=parse_bytes, default="512MiB", help="(default: %(default)s)")
    text.add_argument("--shard", type=parse_bytes, default="128MiB", help="(default: %(default)s)")
    text.add_argument("--chunk", type=parse_bytes, default="512KiB", help="(default: %(default)s)")
    return text.parse_args(arguments)


def main() -> int:
    """The exit status."""
    options = parse(sys.argv[1:])
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
