"""Results as text for people, as JSON for programs, as rows of a document. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.simulate.result import Result

COLUMNS = (
    "nodes",
    "first",
    "median",
    "last",
    "bound",
    "ratio",
    "origin",
    "twice",
    "border",
    "busiest uplink",
    "control",
)


def as_json(result: Result) -> Mapping[str, Any]:
    """Everything, with what is worked out from it."""
    return {
        **asdict(result),
        "slow_nodes": sorted(result.slow_nodes),
        "first_seconds": result.first_seconds,
        "median_seconds": result.median_seconds,
        "last_seconds": result.last_seconds,
        "bound_seconds": result.scenario.bound_seconds,
        "ratio": result.ratio,
        "origin_ratio": result.origin_ratio,
        "duplicate_ratio": result.duplicate_ratio,
        "border_copies": result.border_copies,
        "uplink_balance": result.uplink_balance,
    }


def as_text(result: Result) -> str:
    """One run, for people."""
    scenario = result.scenario
    times = (
        f"first {result.first_seconds:.2f} s, median {result.median_seconds:.2f} s, last {result.last_seconds:.2f} s"
    )
    rows = {
        "finished": times,
        "bound": f"{scenario.bound_seconds:.2f} s, ratio {result.ratio:.3f}",
        "origin": f"{result.origin_ratio:.3f} x the model",
        "twice": f"{result.duplicate_ratio:.2%} of what nodes received",
        "uplinks": f"the busiest sent {result.uplink_balance:.2f} x the mean",
        "control": _control(result),
        **_apart(result),
        "cost": f"{result.transfers:,} transfers, {result.cpu_seconds:.0f} s of one core",
    }
    head = (
        f"{scenario.name}, {scenario.nodes} nodes, {scenario.model_bytes:,} bytes "
        f"in {scenario.chunk_count} chunks of {scenario.chunk_bytes:,}"
    )
    return "\n".join([head, *(f"  {name:9}{value}" for name, value in rows.items())])


def as_rows(results: Mapping[str, Result]) -> str:
    """A table for a document, one run a row."""
    head = ["| scenario | " + " | ".join(COLUMNS) + " |", "|---|" + "---:|" * len(COLUMNS)]
    return "\n".join([*head, *(f"| {name} | {' | '.join(_cells(result))} |" for name, result in results.items())])


def _cells(result: Result) -> Sequence[str]:
    times = (result.first_seconds, result.median_seconds, result.last_seconds, result.scenario.bound_seconds)
    return (
        f"{result.scenario.nodes:,}",
        *(f"{seconds:.1f} s" for seconds in times),
        f"**{result.ratio:.2f}**",
        f"{result.origin_ratio:.3f}",
        f"{result.duplicate_ratio:.1%}",
        f"{result.border_copies:.2f}" if result.scenario.zones > 1 else "",
        f"{result.uplink_balance:.2f}",
        _control_rate(result),
    )


def _control(result: Result) -> str:
    kinds = ", ".join(f"{kind} {count / result.scenario.nodes:,.0f}" for kind, count in result.message_counts.items())
    share = result.control_bytes_per_node / result.scenario.model_bytes
    megabytes = result.control_bytes_per_node / 1e6
    return f"a node sent {_control_rate(result)}; {kinds}; {megabytes:,.2f} MB, {share:.2%} of the model"


def _control_rate(result: Result) -> str:
    messages = result.messages_per_node / result.simulated_seconds
    kilobytes = result.control_bytes_per_node / result.simulated_seconds / 1000
    return f"{messages:,.0f} messages/s, {kilobytes:,.0f} kB/s"


def _apart(result: Result) -> Mapping[str, str]:
    """What only some scenarios have to say."""
    rows = {}
    if result.unfinished:
        rows["STUCK"] = f"{result.unfinished} nodes still miss chunks"
    if result.scenario.zones > 1:
        rows["borders"] = f"{result.border_copies:.2f} copies of the model into each zone"
    slow = [seconds for node, seconds in result.finish_seconds.items() if node in result.slow_nodes]
    if slow:
        rows["slow"] = f"{len(slow)} slow nodes, done after {statistics.median(slow):.1f} s (median)"
    return rows
