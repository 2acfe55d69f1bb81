"""BitTorrent, by libtorrent: one torrent of the model's directory, whose peers know each other from the start.

The origin takes part in one of two ways: as a *web seed*, the HTTP server that serves the files to everybody else too;
or as a *seeder*, one more libtorrent client that runs where the origin runs and sends through the same limited link.
In a run with warm nodes these are the seeders, and the origin takes no part.

Making the torrent, starting the processes and knowing the peers cost no time here: the clock starts when all clients
listen, and stops when the last of them has checked its last piece.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import libtorrent

from benchmarks.lab.place import Place
from benchmarks.node.processes import Child, python
from benchmarks.scaleout.rivals.course import Course, Run, check, digests
from benchmarks.scaleout.rivals.cpu import children_cpu_seconds
from benchmarks.scaleout.rivals.tuning import TUNED, Tuning

PORT = 6881
MODULE = "benchmarks.scaleout.rivals.torrent_node"

Source = Literal["web seed", "seeder", "warm nodes"]

Totals = Mapping[str, Mapping[str, int]]
"""What each client says in the end, by the name of its place."""


@dataclass(frozen=True, slots=True)
class Member:
    """One client of the swarm, and where the torrent's directory lies or will lie."""

    place: Place
    save: Path
    seed: bool

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"{self.place.address}:{PORT}"


@dataclass(frozen=True, slots=True)
class Swarm:
    """Who takes part, with what."""

    members: tuple[Member, ...]
    """Whoever comes later connects to all before it, so that each pair meets once."""
    torrent: Path
    web_seed: str | None
    tuning: Tuning
    deadline_seconds: float

    @property
    def leeches(self) -> list[Member]:
        """Those that want the model."""
        return [member for member in self.members if not member.seed]

    def command(self, index: int) -> list[str | Path]:
        """The command line of one member."""
        member = self.members[index]
        words = python(MODULE, "--torrent", self.torrent, "--save", member.save, "--listen", member.endpoint)
        words += ["--settings", json.dumps(self.tuning.pack), "--deadline-seconds", f"{self.deadline_seconds:g}"]
        words += [word for other in self.members[:index] for word in ("--peer", other.endpoint)]
        if member.seed:
            words += ["--seed"] + (["--super-seeding"] if self.tuning.super_seeding else [])
        elif self.web_seed is not None:
            words += ["--web-seed", self.web_seed]
        return member.place.command(words)


def download(course: Course, source: Source, tuning: Tuning | None = None) -> Run:
    """All nodes at once, tuned as TUNED says. ChildFailed when a client fails or misses the deadline; WrongBytes."""
    name = rival_name(source)
    expected = digests(course.model)
    swarm = make_swarm(course, source, tuning or TUNED[source])
    sent_before, cpu_before = course.http_sent_bytes(), children_cpu_seconds()
    finish_seconds, totals = _race(swarm, course.directory)
    http_bytes = course.http_sent_bytes() - sent_before
    for member in swarm.leeches:
        check(name, expected, member.save / course.model.name)
    cpu_seconds = children_cpu_seconds() - cpu_before
    return run_of(name, finish_seconds, totals, course.origin.name, http_bytes, cpu_seconds)


def rival_name(source: Source) -> str:
    """What the tables call it."""
    return f"libtorrent, {source}"


def make_swarm(course: Course, source: Source, tuning: Tuning) -> Swarm:
    """Write the torrent and give each node a directory of its own."""
    torrent = course.directory / "libtorrent.torrent"
    torrent.write_bytes(make_torrent(course.model, tuning.piece_bytes))
    members = [Member(place, course.model.parent, seed=True) for place in _seeders(course, source)]
    members += [Member(place, course.home("libtorrent", place), seed=False) for place in course.nodes]
    # A client puts the torrent's name behind the URL by itself.
    web_seed = course.url.removesuffix(f"{course.model.name}/") if source == "web seed" else None
    return Swarm(tuple(members), torrent, web_seed, tuning, course.deadline_seconds)


def make_torrent(model: Path, piece_bytes: int) -> bytes:
    """The .torrent of a directory, in the first version of the format, the one that web seeds are defined for."""
    files = libtorrent.list_files(str(model))
    torrent = libtorrent.create_torrent(files, piece_bytes, libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(torrent, str(model.parent))
    return libtorrent.bencode(torrent.generate())


def run_of(
    name: str, finish_seconds: Mapping[str, float], totals: Totals, origin: str, http_bytes: int, cpu_seconds: float
) -> Run:
    """The clients' totals, told apart by whether they stand for the origin. Pure."""
    sent = {place: total["sent_bytes"] for place, total in totals.items()}
    return Run(
        rival=name,
        finish_seconds=finish_seconds,
        origin_bytes=http_bytes + sent.get(origin, 0),
        cpu_seconds=cpu_seconds,
        peer_bytes=sum(sent_bytes for place, sent_bytes in sent.items() if place != origin),
        duplicate_bytes=sum(total["duplicate_bytes"] for total in totals.values()),
    )


def _seeders(course: Course, source: Source) -> Sequence[Place]:
    return {"web seed": (), "seeder": (course.origin,), "warm nodes": course.warm}[source]


def _race(swarm: Swarm, logs: Path) -> tuple[dict[str, float], Totals]:
    """Seconds to the end by node, and everybody's totals."""
    with _clients(swarm, logs) as clients, ThreadPoolExecutor(len(clients)) as waiting:
        began = time.monotonic()
        _tell(clients, "start")
        names = [member.place.name for member in swarm.leeches]
        ends = {name: waiting.submit(_finished, clients[name]) for name in names}
        finish_seconds = {name: end.result() - began for name, end in ends.items()}
        _tell(clients, "stop")
        return finish_seconds, {name: json.loads(client.hear()) for name, client in clients.items()}


@contextmanager
def _clients(swarm: Swarm, logs: Path) -> Iterator[dict[str, Child]]:
    """All processes, each listening and with the torrent, by the name of its place."""
    with ExitStack() as running:
        clients = {}
        for index, member in enumerate(swarm.members):
            child = Child(f"libtorrent-{member.place.name}", swarm.command(index), logs, piped=True)
            clients[member.place.name] = running.enter_context(child)
        for client in clients.values():
            client.hear()
        yield clients


def _tell(clients: Mapping[str, Child], what: str) -> None:
    for client in clients.values():
        client.tell(what)


def _finished(client: Child) -> float:
    """Block until the client has everything; when that was."""
    return float(json.loads(client.hear())["finished"])
