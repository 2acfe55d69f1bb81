"""One run: an OSS server, a daemon with a small tier, readers in a loop, and what came of it."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import xxhash

from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.processes import Child, python
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import scratch
from benchmarks.thrash.reader import PIECE_BYTES
from benchmarks.thrash.sampling import Fullest, Sampling

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
    fullest: Fullest
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
    digests = write_files(root / "model", plan)
    server = resources.enter(OssProcess(root / "oss"))
    server.wait_ready()
    source = server.put_tree("model", root / "model")
    daemon = _daemon(resources, root, server, plan)
    target = daemon.mount(MOUNT_ID, source)
    order = {"paths": [str(target / name) for name in digests], "digests": list(digests.values())}
    began = time.monotonic()
    with Sampling(daemon.tier, alone=daemon.tier.is_mount()) as sampling:
        answers = _read(resources, root, order, plan)
    seconds = time.monotonic() - began
    result = _result(plan, answers, seconds, sampling.fullest, daemon)
    daemon.unmount(MOUNT_ID)
    daemon.stop()
    server.stop()
    return result


def write_files(directory: Path, plan: Plan) -> dict[str, list[str]]:
    """The files of a model that means nothing; for each the xxh3-64 of its pieces."""
    directory.mkdir()
    rng = random.Random(plan.files)
    digests: dict[str, list[str]] = {}
    for number in range(plan.files):
        name = f"model-{number + 1:05}-of-{plan.files:05}.safetensors"
        with open(directory / name, "wb") as file:
            pieces = (rng.randbytes(PIECE_BYTES) for _ in range(plan.model_bytes // plan.files // PIECE_BYTES))
            digests[name] = [_write(file, piece) for piece in pieces]
    return digests


def judge(plan: Plan, readers: Sequence[dict[str, Any]], fullest: Fullest) -> tuple[str, ...]:
    """What was not as it should be. Pure."""
    failures = [
        f"reader {number}: {reader[count]} {what}"
        for number, reader in enumerate(readers)
        for count, what in (("wrong", "pieces were wrong"), ("failed", "reads failed"))
        if reader[count]
    ]
    failures += [f"reader {number}: stood still at the end" for number, r in enumerate(readers) if not r["late_bytes"]]
    most_bytes = fullest.df_bytes or fullest.allocated_bytes  # df sees all files at one moment, du one after the other
    if most_bytes > plan.tier_bytes:
        failures.append(f"the tier held {most_bytes} bytes and may hold {plan.tier_bytes}")
    if not fullest.samples:
        failures.append("the tier was never looked at")
    return tuple(failures)


def _write(file: Any, piece: bytes) -> str:  # noqa: ANN401 - a file
    file.write(piece)
    return xxhash.xxh3_64_hexdigest(piece)


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


def _result(plan: Plan, readers: Sequence[dict[str, Any]], seconds: float, fullest: Fullest, daemon: Daemon) -> Result:
    return Result(
        plan,
        tuple(readers),
        seconds,
        fullest,
        int(daemon.metric("mows_store_evicted_chunks_total")),
        daemon.bytes_from_origin(MOUNT_ID),
        judge(plan, readers, fullest),
    )
