"""What every rival is given, and what it answers: the same nodes, links and model, and when each node had it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.lab.place import Place
from benchmarks.node.errors import NodeError
from benchmarks.scaleout.reader import digest


class WrongBytes(NodeError):
    """A rival ended well, but what lies at a node is not the model; its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Course:
    """The task. `nodes` want the model at the same moment; `warm` have it, and then the origin may not be used."""

    model: Path
    """The directory with the files; what the origin serves and the warm nodes have."""
    origin: Place
    url: str
    """Where the origin serves the directory without a signature. Ends in its name and a slash, as web seeds demand."""
    http_sent_bytes: Callable[[], int]
    """How many bytes of objects the origin's HTTP server has sent so far. Only differences are used."""
    nodes: tuple[Place, ...]
    directory: Path
    """New for each run, with room for one copy of the model per node, in memory."""
    warm: tuple[Place, ...] = ()
    deadline_seconds: float = 900.0
    """For one run of one rival."""

    def __post_init__(self) -> None:
        if not self.url.endswith(f"/{self.model.name}/"):
            raise ValueError(f"the origin must serve {self.model.name} under a URL that ends in its name: {self.url}")

    def home(self, rival: str, place: Place) -> Path:
        """The node's own new directory for what a rival keeps."""
        home = self.directory / f"{rival}-{place.name}"
        home.mkdir()
        return home


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one rival. Seconds count from the moment when all were told to start."""

    rival: str
    finish_seconds: Mapping[str, float]
    """By name of the node: when all bytes were there and, where the rival checks them, checked."""
    origin_bytes: int
    """What left the origin: by HTTP, and by a seeder that stands in for it."""
    cpu_seconds: float
    """User and system time of the processes on the nodes, and of a seeder."""
    peer_bytes: int = 0
    """What nodes gave to one another."""
    duplicate_bytes: int = 0
    """What nodes received and threw away: they had it already, or its hash was wrong."""

    @property
    def last_seconds(self) -> float:
        """When the last node had the model."""
        return max(self.finish_seconds.values())


def digests(directory: Path) -> dict[str, str]:
    """Relative path to xxh3-128 in hex, of every file below `directory`."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): digest(path) for path in files}


def check(rival: str, expected: Mapping[str, str], directory: Path) -> None:
    """Return if `directory` holds these files and no others. Raises WrongBytes, which names the first that differ."""
    found = digests(directory)
    different = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if different:
        raise WrongBytes(f"{rival} left wrong, missing or extra files in {directory}: {', '.join(different[:5])}")
