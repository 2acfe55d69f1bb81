"""One run: an OSS server, a daemon with a small tier, readers in a loop, and what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import xxhash

from benchmarks.model import write_files
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.processes import Child, python
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import scratch
from benchmarks.thrash.reader import PIECE_BYTES
from benchmarks.thrash.sampling import Fullness, fullest, sampling

MOUNT_ID = "thrash"
SPARE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    tier_bytes: int
    model_bytes: int
    files: int
    readers: int
    seconds: float
    chunk_bytes: int


@dataclass(frozen=True, slots=True)
class Result:
    """What came of it."""

    plan: Plan
    readers: tuple[dict[str, Any], ...]
    """See `benchmarks.thrash.reader.Progress`."""
    seconds: float
    fullest: Fullness
    samples: int
    """How often the tier was looked at."""
    evicted_chunks: int
    origin_bytes: int
    failures: tuple[str, ...]
    """What was not as it should be."""

    @property
    def rate(self) -> float:
        """Bytes a second, all readers together."""
        return float(sum(reader["read_bytes"] for reader in self.readers) / self.seconds)

    def document(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"bytes_per_second": self.rate}


def thrash(resources: Resources, plan: Plan) -> Result:
    """Run it. Everything it starts is owned by `resources`."""
    need_bytes = plan.model_bytes + plan.tier_bytes + SPARE_BYTES
    root = resources.enter(scratch(need_bytes, prefix="mows-thrash-"))
    files = write_files(root / "model", plan.files, plan.model_bytes // plan.files, seed=plan.files)
    digests = {path.name: digests_of(path) for path in files}
    server = resources.enter(OssProcess(root / "oss"))
    server.wait_ready()
    source = server.put_tree("model", root / "model")
    daemon = _daemon(resources, root, server, plan)
    target = daemon.mount(MOUNT_ID, source)
    order = {"paths": [str(target / name) for name in digests], "digests": list(digests.values())}
    began = time.monotonic()
    with sampling(daemon.tier, alone=daemon.tier.is_mount()) as samples:
        answers = _read(resources, root, order, plan)
    seconds = time.monotonic() - began
    result = _result(plan, answers, seconds, samples, daemon)
    daemon.unmount(MOUNT_ID)
    daemon.stop()
    server.stop()
    return result


def digests_of(path: Path) -> list[str]:
    """The xxh3-64 of each piece of a file."""
    with open(path, "rb") as file:
        return [xxhash.xxh3_64_hexdigest(piece) for piece in iter(partial(file.read, PIECE_BYTES), b"")]


def judge(plan: Plan, readers: Sequence[dict[str, Any]], most: Fullness) -> tuple[str, ...]:
    """What was not as it should be. Pure."""
    failures = [
        f"reader {number}: {reader[count]} {what}"
        for number, reader in enumerate(readers)
        for count, what in (("wrong", "pieces were wrong"), ("failed", "reads failed"))
        if reader[count]
    ]
    failures += [f"reader {number}: stood still at the end" for number, r in enumerate(readers) if not r["late_bytes"]]
    most_bytes = most.df_bytes or most.allocated_bytes  # df sees all files at one moment, du one after the other
    if most_bytes > plan.tier_bytes:
        failures.append(f"the tier held {most_bytes} bytes and may hold {plan.tier_bytes}")
    return tuple(failures)


def _daemon(resources: Resources, root: Path, server: OssProcess, plan: Plan) -> Daemon:
    sections = {"cache": {"chunk_bytes": plan.chunk_bytes}}
    settings = DaemonSettings(root / "node", plan.tier_bytes, server.origin(), huge_pages="on", sections=sections)
    daemon = resources.enter(Daemon(settings))
    daemon.wait_ready()
    return daemon


def _read(resources: Resources, root: Path, order: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    children = [
        resources.enter(Child(f"reader-{number}", python("benchmarks.thrash.reader"), root, piped=True))
        for number in range(plan.readers)
    ]
    for number, child in enumerate(children):
        how = ("read", "mmap")[number % 2]
        child.tell(json.dumps(order | {"how": how, "seconds": plan.seconds, "begin": number / plan.readers}))
    return [json.loads(child.hear()) for child in children]


def _result(
    plan: Plan, readers: Sequence[dict[str, Any]], seconds: float, samples: Sequence[Fullness], daemon: Daemon
) -> Result:
    most = fullest(samples)
    return Result(
        plan,
        tuple(readers),
        seconds,
        most,
        len(samples),
        int(daemon.metric("mows_store_evicted_chunks_total")),
        daemon.bytes_from_origin(MOUNT_ID),
        judge(plan, readers, most),
    )
