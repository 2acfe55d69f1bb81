"""One run as a JSON object, and as text for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scaleout.bounds import alone_seconds
from benchmarks.scaleout.outcome import Outcome
from benchmarks.scaleout.reader import Reading
from benchmarks.scaleout.sampling import balance, timeline
from benchmarks.scaleout.settings import RunSettings
from benchmarks.scaleout.stage import Workload
from benchmarks.scaleout.tally import Tally

Result = dict[str, Any]


def assemble(
    settings: RunSettings, workload: Workload, outcome: Outcome, after: Sequence[Reading], told: Tally
) -> Result:
    """Everything about one run; `after` is what was read when it was over."""
    size_bytes, readings = workload.model.size_bytes, (*outcome.readings, *after)
    measured, finished = outcome.measured, outcome.finish_seconds
    last = max(finished.values()) if outcome.last_seconds is None else outcome.last_seconds
    failures = [failure for reading in readings for failure in reading.failures]
    wrong = sorted({name for reading in readings for name in reading.wrong(workload.digests)})
    first_sample, last_sample = measured.samples[0], measured.samples[-1]
    return {
        "scenario": settings.scenario,
        "variant": settings.variant,
        "nodes": settings.nodes,
        "model_bytes": size_bytes,
        "chunk_bytes": settings.chunk_bytes,
        "link_bits_per_second": settings.link,
        "origin_total_bits_per_second": settings.origin_total,
        "origin_client_bits_per_second": settings.origin_client,
        "discovery": settings.discovery,
        "seed": settings.seed,
        "finish_seconds": dict(finished),
        "last_seconds": last,
        "bound_seconds": outcome.bound_seconds,
        "ratio": last / outcome.bound_seconds,
        "alone_seconds": alone_seconds(size_bytes, settings.rates()),
        "alone_measured": False,
        "origin_bytes": measured.origin_bytes,
        "origin_ratio": measured.origin_bytes / size_bytes,
        "peer_bytes": told.peer_bytes,
        "peer_wire_bytes": last_sample.from_peers - first_sample.from_peers,
        "uplink_balance": balance(first_sample, last_sample),
        "duplicate_bytes": told.duplicate_bytes,
        "received_bytes": {name: dict(row) for name, row in told.received.items()},
        "cpu_seconds": measured.cpu_seconds,
        "origin_cpu_seconds": measured.origin_cpu_seconds,
        "failed_reads": told.failed_reads + len(failures),
        "failures": failures,
        "wrong": wrong,
        "checks": {
            "digests_right": not wrong,
            "no_read_failed": told.failed_reads + len(failures) == 0,
            **outcome.checks,
        },
        "notes": dict(outcome.notes),
        "timeline": timeline(measured.samples),
    }


def with_alone(result: Result, seconds: float) -> Result:
    """The same with T(1) as it was measured, not as the links would have it."""
    return result | {"alone_seconds": seconds, "alone_measured": True}


def passed(result: Mapping[str, Any]) -> bool:
    """Whether all its checks hold."""
    return all(result["checks"].values())


def as_text(result: Mapping[str, Any]) -> str:
    """A paragraph of aligned lines."""
    rows = {
        "finished": "  ".join(f"{name} {seconds:.2f} s" for name, seconds in result["finish_seconds"].items()),
        "last": f"{result['last_seconds']:.2f} s; bound {result['bound_seconds']:.2f} s; ratio {result['ratio']:.3f}",
        "T(N)/T(1)": _alone(result),
        "origin": f"{_mib(result['origin_bytes'])}, {result['origin_ratio']:.3f} x the model",
        "peers": f"{_mib(result['peer_bytes'])}, {_mib(result['duplicate_bytes'])} of chunks came twice",
        "uplinks": f"the busiest sent {result['uplink_balance']:.2f} x the mean",
        "processor": f"daemons {result['cpu_seconds']:.1f} s, origin server {result['origin_cpu_seconds']:.1f} s",
        "reads": f"{result['failed_reads']} failed",
        **{name: str(value) for name, value in result["notes"].items()},
        "checks": ", ".join(f"{name}: {'yes' if right else 'NO'}" for name, right in result["checks"].items()),
    }
    width = max(map(len, rows))
    head = f"{result['scenario']}{f' ({variant})' if (variant := result['variant']) else ''}, {result['nodes']} nodes"
    return "\n".join([head, *(f"  {name:{width}}  {value}" for name, value in rows.items())])


def _alone(result: Mapping[str, Any]) -> str:
    alone = result["alone_seconds"]
    how = "measured" if result["alone_measured"] else "as the links have it"
    return f"{result['last_seconds'] / alone:.3f}; T(1) {alone:.2f} s, {how}"


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"
