"""Outcomes as a table for people, as JSON for programs, and as docs/BENCHMARKS.md. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from benchmarks.local.machine import Machine
from benchmarks.local.measure import Figure, Outcome, Target

INTRODUCTION = """\
# Benchmarks

One run of `make bench`, written by `python -m benchmarks.local --write-docs`. Every figure is a median of runs that
took turns with the others of its table; the smallest and the largest sample stand beside it. What each table measures,
and how, is said at the top of the file in `benchmarks/local` that its heading names.
"""


def as_json(machine: Machine, outcomes: Sequence[Outcome]) -> str:
    """Everything, samples included."""
    document = {
        "machine": asdict(machine),
        "outcomes": [
            {
                "question": outcome.question,
                "figures": [asdict(figure) | {"median": figure.median} for figure in outcome.figures],
                "targets": [asdict(target) | {"met": target.met} for target in outcome.targets],
            }
            for outcome in outcomes
        ],
    }
    return json.dumps(document, indent=2)


def as_text(outcome: Outcome) -> str:
    """One outcome as aligned lines."""
    names = [*(figure.name for figure in outcome.figures), *(target.name for target in outcome.targets)]
    width = max(map(len, names))
    figures = [f"  {figure.name:{width}}  {_median(figure):>14}  {_spread(figure)}" for figure in outcome.figures]
    targets = [f"  {target.name:{width}}  {_measured(target):>14}  {_verdict(target)}" for target in outcome.targets]
    return "\n".join([outcome.question, *figures, *targets])


def as_markdown(machine: Machine, size: str, outcomes: Sequence[Outcome]) -> str:
    """The document."""
    return "\n".join([INTRODUCTION, _machine(machine, size), *(_table(outcome) for outcome in outcomes)])


def _machine(machine: Machine, size: str) -> str:
    hardware = f"{machine.processor}, {machine.cores} cores, {machine.memory_gib} GiB"
    software = ", ".join([f"Linux {machine.kernel}", f"Python {machine.python}", *machine.tools])
    return f"Measured on {hardware}; {software}. Files of {size}.\n"


def _table(outcome: Outcome) -> str:
    rows = [f"| {figure.name} | {_median(figure)} | {_spread(figure)} |" for figure in outcome.figures]
    rows += [f"| **{target.name}** | **{_measured(target)}** | {_verdict(target)} |" for target in outcome.targets]
    return "\n".join([f"## {outcome.question}\n", "| | median | |", "|---|---:|---|", *rows, ""])


def _median(figure: Figure) -> str:
    return f"{_number(figure.median)} {figure.unit}"


def _spread(figure: Figure) -> str:
    return f"{_number(min(figure.samples))} to {_number(max(figure.samples))} in {len(figure.samples)}"


def _measured(target: Target) -> str:
    return f"{_number(target.measured)} {target.unit}".strip()


def _verdict(target: Target) -> str:
    demanded = f"{target.sense} {_number(target.bound)} {target.unit}".strip()
    return f"{demanded}: {'met' if target.met else 'MISSED'}"


def _number(value: float) -> str:
    """Three figures that count: 0.0123, 1.23, 12.3, 123, 1,234."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.3g}" if value < 1 else f"{value:.2f}"
