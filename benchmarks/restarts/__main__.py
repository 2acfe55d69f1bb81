"""What readers notice of restarts: ``python -m benchmarks.restarts --kills 20 --size 2GiB [--json]``.

A real OSS test server, a real keeper, real daemons under a supervisor that starts the next one at once. Four readers
(two with read(2), two with mmap) load a model cold while daemons are killed with SIGKILL, then again while they are
replaced with SIGTERM. Then, with the origin unplugged, a warm read before and after a restart, and one after a restart
of the machine, where every chunk is verified first. At last a power cut that leaves index and data apart.

Exit code 1 when a read failed or a byte was wrong.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
from dataclasses import asdict, dataclass

from benchmarks.restarts.run import Disturbed, PowerCut, Restarted, Warm, disturbed, forget, power_cut, warm_restart
from benchmarks.restarts.stage import staged
from mows.units import parse_bytes

GOAL_SECONDS = 2.0
"""The longest stall that readers are to see; issue 4."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a run has found."""

    killed: Disturbed
    replaced: Disturbed
    restarted: Restarted
    power_cut: PowerCut

    @property
    def clean(self) -> bool:
        """No read failed, and no byte was wrong."""
        loads = (self.killed, self.replaced, self.power_cut)
        warm = (self.restarted.before, self.restarted.after, self.restarted.verified)
        return not any(part.wrong + part.failures for part in loads) and not any(part.wrong for part in warm)


def run(*, size_bytes: int, ends: int, seed: int, chunk_bytes: int) -> Report:
    """All parts, one after the other. Needs root."""
    rng = random.Random(seed)
    with staged(size_bytes, seed=seed, chunk_bytes=chunk_bytes) as stage:
        killed = disturbed(stage, signal.SIGKILL, ends=ends, rng=rng)
        forget(stage, signal.SIGKILL)
        replaced = disturbed(stage, signal.SIGTERM, ends=ends, rng=rng)
        mount_id = signal.SIGTERM.name.lower()
        return Report(killed, replaced, warm_restart(stage, mount_id), power_cut(stage, mount_id, rng))


def as_text(report: Report) -> str:
    """For people."""
    lines = [_load(report.killed), _load(report.replaced)]
    for name, warm in [
        ("warm, before the restart", report.restarted.before),
        ("warm, after it, origin unplugged", report.restarted.after),
        ("warm, after another boot, verified", report.restarted.verified),
    ]:
        lines.append(f"{name}: {_warm(warm)}")
    cut = report.power_cut
    lines.append(
        f"power cut: {cut.wrong} wrong files, {cut.failures} failed, {cut.bytes_from_origin / 1e6:.0f} MB fetched again"
    )
    return "\n".join(lines)


def _load(load: Disturbed) -> str:
    stalls = ", ".join(f"{one.way} {one.longest_stall_seconds:.2f} s" for one in load.readings)
    ended = f"{load.ends} x {load.signal}, {load.takeovers} takeovers"
    failed = f"{load.failures} failed files, {load.wrong} wrong"
    return f"cold load, {ended}: {failed}; longest stalls: {stalls} (goal: < {GOAL_SECONDS:g} s)"


def _warm(warm: Warm) -> str:
    rate = f"{warm.bytes_per_second / 1e9:.2f} GB/s with its hashing"
    return f"first MiB after {warm.first_block_seconds * 1e3:.1f} ms, {rate}, {warm.wrong} wrong files"


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.restarts", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20, help="daemons that end in each load (default: %(default)s)")
    parser.add_argument("--size", type=parse_bytes, default=parse_bytes("2GiB"), help="of the model (default: 2GiB)")
    parser.add_argument("--chunk", type=parse_bytes, default=parse_bytes("8MiB"), help="of the cache (default: 8MiB)")
    parser.add_argument("--seed", type=int, default=1, help="of the data and the moments (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    options = parser.parse_args()
    report = run(size_bytes=options.size, ends=options.kills, seed=options.seed, chunk_bytes=options.chunk)
    print(json.dumps(asdict(report), indent=1) if options.json else as_text(report))
    return 0 if report.clean else 1


if __name__ == "__main__":
    raise SystemExit(main())
