"""What the run plays on: a lab of two nodes, an origin with three models, and the controller as a process."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.controller.engine import digest_of
from benchmarks.lab.fleet import Fleet, FleetSettings, Node
from benchmarks.lab.network import Lab, LabSettings
from benchmarks.model import write_files
from benchmarks.node.processes import REPOSITORY, Child
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import mounts_below
from mows.client import Client, Endpoint

NODES = 2
FILES = 4
SLOTS = 8
LINK_BITS_PER_SECOND = 2_000_000_000
CHUNK_BYTES = 1 << 20
STEP_SECONDS = 300.0
"""Of one step: many times what it takes on a slow machine."""
POLL_SECONDS = 0.1

Serving = Counter[tuple[str, str]]
"""How many instances of a service have read which model, by its name, as their engines say."""


class Missed(Exception):
    """A step did not come to its end."""


@dataclass
class Stage:
    """Whatever it starts belongs to `resources`."""

    resources: Resources
    directory: Path
    model_bytes: int
    say: Callable[[str], None]
    fleet: Fleet = field(init=False)
    digests: dict[str, str] = field(default_factory=dict)
    """Of each model, to its name."""
    sources: dict[str, str] = field(default_factory=dict)
    _shown: int = 0

    def __post_init__(self) -> None:
        """Build the lab and start the daemons."""
        lab = self.resources.enter(Lab(LabSettings(nodes=NODES, link_bits_per_second=LINK_BITS_PER_SECOND)))
        settings = FleetSettings(
            directory=self.directory, capacity_bytes=8 * self.model_bytes + (64 << 20), chunk_bytes=CHUNK_BYTES
        )
        self.fleet = Fleet(self.resources, lab, settings)
        self.fleet.start_origin()
        self.services.mkdir()
        self.fleet.start(range(NODES))

    @property
    def services(self) -> Path:
        """The directory that the controller watches."""
        return self.directory / "services"

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Both."""
        return self.fleet.nodes

    def add_model(self, name: str, seed: int) -> None:
        """Write a model and put it to the origin."""
        files = write_files(self.directory / name, FILES, self.model_bytes // FILES, seed=seed)
        self.digests[digest_of(files[0].parent)] = name
        self.sources[name] = self.fleet.origin.put_tree(name, files[0].parent)

    def start_controller(self) -> Child:
        """The reference controller, over both daemons."""
        command: list[str | Path] = [sys.executable, REPOSITORY / "deploy" / "controller" / "controller.py"]
        command += ["--services", self.services, "--work", self.directory / "work", "--slots", str(SLOTS)]
        for node in self.nodes:
            command += ["--node", f"{node.name}={node.daemon.socket}"]
        return self.resources.enter(Child("controller", command, self.directory, stop_seconds=60.0))

    def write_service(self, name: str, *, instances: int, model: str) -> None:
        """Write a service file, or another one in its place, as an editor does: renamed when it is complete."""
        document = {
            "name": name,
            "instances": instances,
            "storage": [{"mount_path": "/mnt/model/", "oss": {"path": self.sources[model], "readOnly": True}}],
            "metadata": {"gpu": 1},
            "command": [sys.executable, "-m", "benchmarks.controller.engine"],
            "health": {"command": ["test", "-e", "ready"], "seconds": STEP_SECONDS},
        }
        fresh = self.services / f"{name}.new"
        fresh.write_text(json.dumps(document, indent=2))
        fresh.rename(self.services / f"{name}.json")

    def wait(self, controller: Child, wanted: Mapping[tuple[str, str], int]) -> None:
        """Block until exactly these instances serve, and the daemons have no others. Raises Missed, ChildFailed."""
        give_up = time.monotonic() + STEP_SECONDS
        while (serving := self.serving()) != Counter(wanted) or self.instances() != sum(wanted.values()):
            self.show_log(controller)
            if controller.process.poll() is not None:
                raise controller.failure("ended")
            if time.monotonic() > give_up:
                raise Missed(f"{dict(wanted)} was wanted, and within {STEP_SECONDS:g} s came {dict(serving)}")
            time.sleep(POLL_SECONDS)
        self.show_log(controller)

    def serving(self) -> Serving:
        """What the engines have read. Of an engine that has read something else, the digest stands there."""
        found: Serving = Counter()
        for path in (self.directory / "work").glob("*/ready"):
            try:
                digest = path.read_text()
            except FileNotFoundError:
                continue  # it ended between the two
            found[path.parent.name.rsplit("-", 2)[0], self.digests.get(digest, digest)] += 1
        return found

    def instances(self) -> int:
        """How many both daemons have."""
        return sum(len(_instances(node)) for node in self.nodes)

    def spread(self) -> dict[str, int]:
        """How many each of them has."""
        return {node.name: len(_instances(node)) for node in self.nodes}

    def show_log(self, controller: Child) -> None:
        """Say what the controller has written since the last time."""
        lines = controller.log.read_text().splitlines(keepends=True)
        complete = [line for line in lines if line.endswith("\n")]
        for line in complete[self._shown :]:
            self.say(f"    {line.rstrip()}")
        self._shown = len(complete)

    def left_over(self) -> list[str]:
        """Mounts, instances, processes and working directories that are still there."""
        mounts = [str(path) for node in self.nodes for path in mounts_below(node.directory / "mounts")]
        work = [path.name for path in (self.directory / "work").glob("*")]
        return mounts + work + _processes(self.directory) + [name for node in self.nodes for name in _instances(node)]


def _processes(directory: Path) -> list[str]:
    """Engines: they run in a working directory below this one, or in one that was removed."""
    found = []
    for cwd in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if cwd.readlink().is_relative_to(directory / "work"):
                found.append(f"process {cwd.parent.name}")
    return found


def _instances(node: Node) -> list[str]:
    with Client(Endpoint(socket=node.daemon.socket)) as client:
        return [one.id for one in client.instances().instances]
