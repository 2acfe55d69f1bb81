"""BitTorrent, by libtorrent: one torrent of the model's directory, whose peers know each other from the start.

The origin takes part in one of two ways: as a *web seed*, the HTTP server that serves the files to everybody else too;
or as a *seeder*, one more libtorrent client that runs where the origin runs and sends through the same limited link.
In a run with warm nodes these are the seeders, and the origin takes no part.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import libtorrent

from benchmarks.lab.place import Place
from benchmarks.node.processes import Child, python
from benchmarks.scaleout.rivals.course import Course, Run, check, digests
from benchmarks.scaleout.rivals.cpu import children_cpu_seconds
from benchmarks.scaleout.rivals.tuning import Tuning

PORT = 6881
MODULE = "benchmarks.scaleout.rivals.torrent_node"

Source = Literal["web seed", "seeder", "warm nodes"]


@dataclass(frozen=True, slots=True)
class Member:
    """One client of the swarm, and where its files are."""

    place: Place
    save: Path
    seed: bool

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"{self.place.address}:{PORT}"


def download(course: Course, source: Source, tuning: Tuning) -> Run:
    """All nodes at once. ChildFailed when a client fails or is not done within the deadline; WrongBytes."""
    name = rival_name(source)
    expected = digests(course.model)
    torrent = course.directory / f"{name}.torrent"
    torrent.write_bytes(make_torrent(course.model, tuning.piece_bytes))
    swarm = members(course, source)
    sent_before, cpu_before = course.http_sent_bytes(), children_cpu_seconds()
    finished, totals = _race(course, torrent, swarm, tuning, course.url if source == "web seed" else None)
    http_bytes = course.http_sent_bytes() - sent_before
    for member in swarm:
        if not member.seed:
            check(name, expected, member.save / course.model.name)
    return _run(name, course, finished, totals, http_bytes, children_cpu_seconds() - cpu_before)


def rival_name(source: Source) -> str:
    """What the tables call it."""
    return f"libtorrent, {source}"


def make_torrent(model: Path, piece_bytes: int) -> bytes:
    """The .torrent of a directory, in the first version of the format, which every web seed serves."""
    files = libtorrent.list_files(str(model))
    torrent = libtorrent.create_torrent(files, piece_bytes, libtorrent.create_torrent.v1_only)
    libtorrent.set_piece_hashes(torrent, str(model.parent))
    return libtorrent.bencode(torrent.generate())


def members(course: Course, source: Source) -> list[Member]:
    """Seeds first: whoever comes later in the list connects to all before it, so that each pair meets once."""
    seeders = {"web seed": (), "seeder": (course.origin,), "warm nodes": course.warm}[source]
    seeds = [Member(place, course.model.parent, seed=True) for place in seeders]
    name = rival_name(source)
    return seeds + [Member(place, course.home(name, place), seed=False) for place in course.nodes]


def command(
    member: Member, earlier: list[Member], torrent: Path, tuning: Tuning, web_seed: str | None, deadline_seconds: float
) -> list[str | Path]:
    """The command line of one client."""
    words = python(MODULE, "--torrent", torrent, "--save", member.save, "--listen", member.endpoint)
    words += ["--settings", json.dumps(tuning.pack), "--deadline-seconds", f"{deadline_seconds:g}"]
    for other in earlier:
        words += ["--peer", other.endpoint]
    if member.seed:
        words += ["--seed"] + (["--super-seeding"] if tuning.super_seeding else [])
    elif web_seed is not None:
        # A client puts the torrent's name behind it by itself.
        words += ["--web-seed", web_seed.removesuffix("/").rpartition("/")[0] + "/"]
    return member.place.command(words)


def _race(
    course: Course, torrent: Path, swarm: list[Member], tuning: Tuning, web_seed: str | None
) -> tuple[dict[str, float], dict[str, dict[str, int]]]:
    """Seconds to the end by node, and each client's totals."""
    with ExitStack() as running, ThreadPoolExecutor(len(swarm)) as waiting:
        clients: dict[str, Child] = {}
        for index, member in enumerate(swarm):
            words = command(member, swarm[:index], torrent, tuning, web_seed, course.deadline_seconds)
            child = Child(f"libtorrent-{member.place.name}", words, course.directory, piped=True)
            clients[member.place.name] = running.enter_context(child)
        for child in clients.values():
            child.hear()
        began = time.monotonic()
        for child in clients.values():
            child.tell("start")
        ends = {
            member.place.name: waiting.submit(_finished, clients[member.place.name])
            for member in swarm
            if not member.seed
        }
        finish_seconds = {name: end.result() - began for name, end in ends.items()}
        for child in clients.values():
            child.tell("stop")
        totals = {name: json.loads(child.hear()) for name, child in clients.items()}
        return finish_seconds, totals


def _finished(child: Child) -> float:
    return float(json.loads(child.hear())["finished"])


def _run(
    name: str,
    course: Course,
    finish_seconds: dict[str, float],
    totals: dict[str, dict[str, int]],
    http_bytes: int,
    cpu_seconds: float,
) -> Run:
    seeded_bytes = totals.get(course.origin.name, {}).get("sent_bytes", 0)
    sent_bytes = sum(total["sent_bytes"] for total in totals.values())
    return Run(
        rival=name,
        finish_seconds=finish_seconds,
        origin_bytes=http_bytes + seeded_bytes,
        cpu_seconds=cpu_seconds,
        peer_bytes=sent_bytes - seeded_bytes,
        duplicate_bytes=sum(total["duplicate_bytes"] for total in totals.values()),
    )
