"""The main job on real data: serve a model from OSS, mount it, load it cold, warm and from four processes at once.

``python -m benchmarks.demo`` needs root and Linux, nothing else: the OSS server is our own test server, with V4
signatures on. Exits with 0 only if every tensor was read as it was written. Ctrl-C at any moment leaves nothing behind.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from benchmarks.load import Loader, load_at_once
from benchmarks.model import Model, write_model
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.processes import python
from benchmarks.node.resources import Resources, run_owning
from benchmarks.node.scratch import in_memory, scratch
from mows.units import parse_bytes

MOUNT_ID = "demo"
COPIES = 2
"""How often the model is stored: at the origin and in the cache."""

SPARE_BYTES = 64 * 1024**2
"""Room for the cache's own files and the logs."""


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table. None where a column does not apply."""

    name: str
    seconds: float
    size_bytes: int | None = None
    origin_bytes: int | None = None
    passthrough: str = ""

    def cells(self) -> Sequence[str]:
        """What the table shows."""
        rate = "" if self.size_bytes is None else f"{self.size_bytes / 1e9 / self.seconds:.2f}"
        origin = "" if self.origin_bytes is None else _mebibytes(self.origin_bytes)
        return self.name, f"{self.seconds:.2f}", rate, origin, self.passthrough


@dataclass(frozen=True, slots=True)
class Opens:
    """How often files of the mount were opened so far, by who reads them."""

    passthrough: int
    cached: int

    def since(self, before: Opens) -> str:
        """Whether files opened since `before` were read by the kernel alone."""
        passthrough, cached = self.passthrough - before.passthrough, self.cached - before.cached
        if passthrough and cached:
            return f"{passthrough} of {passthrough + cached} files"
        return "yes" if passthrough else "no" if cached else "nothing opened"


class Demo:
    """The steps, in order, and the table they fill. Everything started is owned by `resources`."""

    def __init__(self, resources: Resources, root: Path) -> None:
        self.steps: list[Step] = []
        self._resources = resources
        self._root = root

    @contextmanager
    def _step(self, name: str, size_bytes: int | None = None) -> Iterator[None]:
        print(f"{name} ...", file=sys.stderr, flush=True)
        began = time.perf_counter()
        yield
        self.steps.append(Step(name, time.perf_counter() - began, size_bytes))

    def write(self, size_bytes: int, shards: int) -> Model:
        """Make the model, on the origin's file system."""
        with self._step("write the model", size_bytes):
            return write_model(self._root / "model", size_bytes=size_bytes, shards=shards)

    def serve(self, model: Model) -> tuple[OssProcess, str]:
        """Start the OSS server and put the model into it; the server, and the source to mount."""
        with self._step("start OSS, store the model"):
            server = self._resources.enter(OssProcess(self._root / "oss"))
            server.wait_ready()
            return server, server.put_tree("demo", model.directory)

    def start(self, server: OssProcess, model: Model) -> Daemon:
        """Start the daemon."""
        with self._step("start the daemon"):
            capacity_bytes = model.size_bytes + SPARE_BYTES
            settings = DaemonSettings(self._root / "node", capacity_bytes, server.origin())
            daemon = self._resources.enter(Daemon(settings))
            daemon.wait_ready()
        return daemon

    def mount(self, daemon: Daemon, source: str) -> Path:
        """Mount through the REST API."""
        with self._step("mount"):
            return daemon.mount(MOUNT_ID, source)

    def load(self, name: str, daemon: Daemon, target: Path, expected: Mapping[str, str], processes: int) -> bool:
        """Load the model from so many processes at once. Whether all of them read every tensor right."""
        print(f"{name} ...", file=sys.stderr, flush=True)
        origin_before, opens_before = daemon.bytes_from_origin(MOUNT_ID), _opens(daemon)
        loaders = [
            self._resources.enter(Loader(f"{name} {index}".replace(" ", "-"), target, self._root))
            for index in range(processes)
        ]
        seconds, loads = load_at_once(loaders)
        size_bytes = sum(loaded.size_bytes for loaded in loads)
        origin_bytes = daemon.bytes_from_origin(MOUNT_ID) - origin_before
        self.steps.append(Step(name, seconds, size_bytes, origin_bytes, _opens(daemon).since(opens_before)))
        return all(_same(name, loaded.digests, expected) for loaded in loads)

    def end(self, server: OssProcess, daemon: Daemon) -> None:
        """Unmount and stop, in the order in which an operator would."""
        with self._step("unmount"):
            daemon.unmount(MOUNT_ID)
        with self._step("stop"):
            daemon.stop()
            server.stop()


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:,.1f} MiB"


def _opens(daemon: Daemon) -> Opens:
    passthrough, cached = (int(daemon.metric("mows_fuse_opens_total", mode=mode)) for mode in ("passthrough", "cached"))
    return Opens(passthrough, cached)


def _same(name: str, digests: Mapping[str, str], expected: Mapping[str, str]) -> bool:
    wrong = sorted(tensor for tensor in {*expected, *digests} if digests.get(tensor) != expected.get(tensor))
    for tensor in wrong:
        print(f"{name}: {tensor} was read as {digests.get(tensor)} and is {expected.get(tensor)}", file=sys.stderr)
    return not wrong


def _show_status(daemon: Daemon) -> None:
    """`mows status`, as a user would see it."""
    print(flush=True)
    subprocess.run(python("cli", "--socket", daemon.socket, "status"), check=True)


def _show(steps: Sequence[Step]) -> None:
    right = (Column(name, justify="right") for name in ("seconds", "GB/s", "from origin"))
    table = Table("step", *right, "passthrough")
    for step in steps:
        table.add_row(*step.cells())
    Console().print(table)


def run(resources: Resources, options: argparse.Namespace) -> int:
    """All of it; 0 if every digest matched, else 1."""
    root = resources.enter(scratch(COPIES * options.size + SPARE_BYTES, prefix="mows-demo-"))
    print(f"working in {root} ({'memory' if in_memory(root) else 'disk'})", file=sys.stderr)
    demo = Demo(resources, root)
    model = demo.write(options.size, options.shards)
    server, source = demo.serve(model)
    daemon = demo.start(server, model)
    target = demo.mount(daemon, source)
    loads = {"load cold": 1, "load warm": 1, f"load warm, {options.processes} processes": options.processes}
    right = [demo.load(name, daemon, target, model.digests, processes) for name, processes in loads.items()]
    _show_status(daemon)
    demo.end(server, daemon)
    _show(demo.steps)
    if not all(right):
        print("FAILED: tensors were not read as they were written", file=sys.stderr)
        return 1
    print(f"{len(model.digests)} tensors, {_mebibytes(model.size_bytes)}: every digest matched")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demo", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=parse_bytes, default="2GiB", help="of the model (default: %(default)s)")
    parser.add_argument("--shards", type=int, default=8, help="files of the model (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=4, help="that load at once (default: %(default)s)")
    return parser


def main() -> int:
    """The exit status."""
    options = _parser().parse_args()
    return run_owning(lambda resources: run(resources, options))


if __name__ == "__main__":
    sys.exit(main())
