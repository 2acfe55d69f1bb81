"""Programs that read a model on nodes that are only just getting it, while others prewarm it: every byte is right."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.load import Loader
from benchmarks.model import Model, write_model
from benchmarks.node.processes import Child
from benchmarks.scaleout.reader import Reader, digest
from tests.cluster.loopback import Loopback, running_nodes
from tests.cluster.views import SOURCE, end_of, peers_of, start_warming, wait_until_up
from tests.fuse.node import BUCKET

CHUNK = 256 << 10
SIZE_BYTES = 24 << 20
READ_SECONDS = 120.0

PREWARMED, READ, LOADED = range(3)

FAULT = """
import json, mmap, sys, xxhash
from pathlib import Path
digests = {}
print("ready", flush=True)
sys.stdin.readline()
for path in sorted(Path(sys.argv[1]).iterdir(), reverse=True):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as pages:
        for start in reversed(range(0, len(pages), 300_000)):
            pages[start]
        digests[path.name] = xxhash.xxh3_128_hexdigest(pages)
print(json.dumps(digests), flush=True)
"""
"""Maps every file and touches it from its end: no order that a read-ahead could guess."""


@dataclass(frozen=True)
class Served:
    """Three nodes, and a model that none of them has."""

    nodes: Loopback
    model: Model
    files: Mapping[str, str]
    """Name to xxh3-128 in hex."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    model = write_model(tmp_path / "model", size_bytes=SIZE_BYTES, shards=3)
    with running_nodes(3, chunk_bytes=CHUNK) as nodes:
        nodes.server.put_tree(BUCKET, "m/", model.directory)
        wait_until_up(*nodes.daemons)
        yield Served(nodes, model, {path.name: digest(path) for path in model.files})


def test_reads_maps_and_loads_beside_a_prewarm(served: Served, tmp_path: Path) -> None:
    daemons = served.nodes.daemons
    read, loaded = (daemons[number].mount("m", SOURCE) for number in (READ, LOADED))
    faulting: list[str | Path] = [sys.executable, "-c", FAULT, read]
    with (
        Reader("reader", read, tmp_path) as reader,
        Child("faults", faulting, tmp_path, piped=True) as faults,
        Loader("loader", loaded, tmp_path) as loader,
    ):
        reader.wait_ready()
        faults.hear()
        loader.wait_ready()
        job = start_warming(daemons[PREWARMED])
        reader.start()
        faults.tell("go")
        loader.start()
        reading = reader.result(time.monotonic() + READ_SECONDS)
        assert not reading.failures
        assert reading.digests == served.files
        assert json.loads(faults.hear()) == served.files
        assert loader.result().digests == served.model.digests
    end_of(daemons[PREWARMED], job)
    assert sum(peer["received_bytes"] for daemon in daemons for peer in peers_of(daemon)["peers"]) > 0
