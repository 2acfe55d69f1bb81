"""What a scenario plays on: a lab, an origin with the model, daemons, and the means to measure them."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.lab.fleet import Fleet, FleetSettings, Node, Sections
from benchmarks.lab.network import Lab
from benchmarks.local.reading import touch_memory
from benchmarks.model import Model, write_model
from benchmarks.node.procfs import cpu_seconds
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import detach, mounts_below, remove
from benchmarks.scaleout.bounds import alone_seconds
from benchmarks.scaleout.reader import Reader, Reading, read
from benchmarks.scaleout.sampling import Sample, sampling
from benchmarks.scaleout.settings import SLOW_RATIO, RunSettings
from benchmarks.scaleout.tally import Tally, tally
from benchmarks.scaleout.waiting import State, is_readable, mount_of, wait_for

MOUNT_ID = "model"
PATIENCE = 3.0
"""A run that takes so many times what its slowest node would take without any peer is given up."""

PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Workload:
    """The model, written once, and how each of its files must read."""

    model: Model
    digests: Mapping[str, str]


def write_workload(directory: Path, settings: RunSettings) -> Workload:
    """Write the model of `settings`."""
    model = write_model(directory, size_bytes=settings.model_bytes, shards=settings.shards, seed=settings.seed)
    return Workload(model, read(directory).digests)


@dataclass(slots=True)
class Measured:
    """What happened from the beginning of a run to its end; complete when the end is reached."""

    began_seconds: float
    origin_bytes: int = 0
    cpu_seconds: float = 0.0
    """Of all daemons together."""
    origin_cpu_seconds: float = 0.0
    """Of the origin's server."""
    samples: list[Sample] = field(default_factory=list)


class Stage:
    """One run's surroundings. Whatever it starts belongs to `resources`; `tear_down` gives it back sooner."""

    def __init__(self, resources: Resources, directory: Path, settings: RunSettings, workload: Workload) -> None:
        touch_memory(settings.room_bytes)
        directory.mkdir()
        self.settings = settings
        self.workload = workload
        self.directory = directory
        self.random = random.Random(settings.seed)
        self.resources = resources
        self.lab = resources.enter(Lab(settings.lab()))
        capacity, chunk = settings.capacity_bytes, settings.chunk_bytes
        fleet = FleetSettings(
            directory=directory, capacity_bytes=capacity, chunk_bytes=chunk, discovery=settings.discovery
        )
        self.fleet = Fleet(resources, self.lab, fleet)
        self.source = self.fleet.start_origin().put_tree("model", workload.model.directory)
        self.retired = Tally()
        """Of daemons that are no more."""

    @property
    def nodes(self) -> Sequence[Node]:
        """All nodes."""
        return self.fleet.nodes

    @property
    def everybody(self) -> range:
        """The numbers of all nodes."""
        return range(self.settings.nodes)

    def tear_down(self) -> None:
        """Stop everything and remove the caches."""
        self.fleet.stop()
        self.lab.remove()
        remove(self.directory)

    @contextmanager
    def measuring(self) -> Iterator[Measured]:
        """Begin a run, and end it; what it answers is complete afterwards."""
        oss = self.fleet.origin
        measured = Measured(0.0, -oss.bytes_sent(), -self._cpu_seconds(), -cpu_seconds(oss.pid))
        with sampling(self.lab) as samples:
            measured.began_seconds = time.monotonic()
            yield measured
        measured.samples = samples
        measured.origin_bytes += oss.bytes_sent()
        measured.cpu_seconds += self._cpu_seconds()
        measured.origin_cpu_seconds += cpu_seconds(oss.pid)

    def _cpu_seconds(self) -> float:
        return sum(node.cpu_seconds() for node in self.nodes)

    def start(self, nodes: Sequence[int], sections: Sections | None = None) -> None:
        """Start daemons; blocks until they are ready."""
        self.fleet.start(nodes, sections)

    def mount(self, nodes: Sequence[int], *, warm: bool) -> None:
        """Ask for the model's mount on each; does not wait."""
        for node in nodes:
            self.nodes[node].daemon.ask_mount(MOUNT_ID, self.source, warm=warm)

    def target(self, node: int) -> Path:
        """Where a node's mount is."""
        return self.nodes[node].directory / "mounts" / MOUNT_ID

    def wait(
        self, nodes: Sequence[int], reached: Callable[[State], bool] = is_readable, *, since: float | None = None
    ) -> dict[str, float]:
        """Seconds from `since`, or from now, to when the mount of each reached a state."""
        began = time.monotonic() if since is None else since
        targets = [mount_of(self.nodes[node], MOUNT_ID) for node in nodes]
        return wait_for(targets, reached, until_seconds=self.give_up, began_seconds=began)

    def readers(self, nodes: Sequence[int]) -> list[Reader]:
        """A process on each node that will read the whole mount when it is told to."""
        readers = [
            self.resources.enter(Reader(f"reader-{self.nodes[node].name}", self.target(node), self.directory))
            for node in nodes
        ]
        for reader in readers:
            reader.wait_ready()
        return readers

    def readings(self, readers: Sequence[Reader]) -> list[Reading]:
        """What they read; blocks until all have."""
        return [reader.result(self.give_up) for reader in readers]

    @property
    def give_up(self) -> float:
        """The moment (`time.monotonic`) when what begins now has taken far too long."""
        alone = alone_seconds(self.workload.model.size_bytes, self.settings.rates())
        return time.monotonic() + PATIENCE_SECONDS + PATIENCE * alone * max(self.settings.nodes, 1 / SLOW_RATIO)

    def kill(self, node: int) -> None:
        """Kill a daemon, and take its dead mounts away as an operator has to."""
        self.retired += tally(self.nodes[node])
        self.nodes[node].kill()
        for target in mounts_below(self.nodes[node].directory / "mounts"):
            detach(target)

    def stop(self, node: int) -> None:
        """Stop a daemon in the orderly way."""
        self.retired += tally(self.nodes[node])
        self.nodes[node].stop()

    def tally(self) -> Tally:
        """What all daemons, those that are no more too, have counted."""
        return sum((tally(node) for node in self.nodes if node.running), self.retired)
