"""All rivals one after the other on the links of one lab, each with a result like the fleet's own.

The origin is the server that fleets read too; it answers the rivals without signatures. In `join` it is unplugged:
BitTorrent's seeders are then the nodes that have the model, and aria2, which has nobody to ask, is left out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from benchmarks.lab.network import Lab
from benchmarks.node.oss import BUCKET, OssProcess
from benchmarks.scaleout import bounds
from benchmarks.scaleout.result import Result
from benchmarks.scaleout.rivals import aria2, torrent
from benchmarks.scaleout.rivals.course import Course, Run
from benchmarks.scaleout.sampling import Sample, balance, sampling, timeline
from benchmarks.scaleout.settings import RunSettings

JOIN = "join"

Rival = Callable[[Course], Run]

WITH_ORIGIN: Mapping[str, Rival] = MappingProxyType(
    {
        "aria2": aria2.download,
        "web seed": lambda course: torrent.download(course, "web seed"),
        "seeder": lambda course: torrent.download(course, "seeder"),
    }
)
WITHOUT_ORIGIN: Mapping[str, Rival] = MappingProxyType(
    {"warm nodes": lambda course: torrent.download(course, "warm nodes")}
)


@dataclass(frozen=True, slots=True)
class Ground:
    """Where a contest takes place."""

    lab: Lab
    oss: OssProcess
    """Inside the lab, open to everybody; it has the model under the name of its directory."""
    model: Path
    room: Path
    """A directory in memory with room for a copy of the model per node."""


def rivals_of(settings: RunSettings) -> Mapping[str, Rival]:
    """Who can take part, by a short name."""
    return WITHOUT_ORIGIN if settings.scenario == JOIN else WITH_ORIGIN


def contest(ground: Ground, settings: RunSettings) -> Iterator[Result]:
    """Each rival's result as soon as it is there. Blocks; NodeError when one fails: then nothing was measured."""
    if settings.scenario == JOIN:
        ground.lab.unplug_origin()
    for name, rival in rivals_of(settings).items():
        place = ground.room / name.replace(" ", "-")
        place.mkdir()
        yield measure(ground, settings, rival, place)
        shutil.rmtree(place)
    if settings.scenario == JOIN:
        ground.lab.plug_origin()


def measure(ground: Ground, settings: RunSettings, rival: Rival, place: Path) -> Result:
    """One rival once; `place` is its own. The timeline shows the start of the processes and the last check too."""
    course = course_of(ground, settings, place)
    with sampling(ground.lab) as samples:
        run = rival(course)
    model_bytes = sum(path.stat().st_size for path in ground.model.rglob("*") if path.is_file())
    return result_of(run, settings, model_bytes, samples)


def course_of(ground: Ground, settings: RunSettings, place: Path) -> Course:
    """What a rival is given; the first nodes hold the model where the scenario has holders."""
    holders = settings.holders if settings.scenario == JOIN else 0
    return Course(
        model=ground.model,
        origin=ground.lab.origin,
        url=f"{ground.oss.endpoint}/{BUCKET}/{ground.model.name}/",
        http_sent_bytes=ground.oss.bytes_sent,
        nodes=ground.lab.nodes[holders:],
        directory=place,
        warm=ground.lab.nodes[:holders],
    )


def bound_seconds(settings: RunSettings, model_bytes: int) -> float:
    """What nobody can be faster than."""
    bound = bounds.join_seconds if settings.scenario == JOIN else bounds.all_cold_seconds
    return bound(model_bytes, settings.rates())


def result_of(run: Run, settings: RunSettings, model_bytes: int, samples: list[Sample]) -> Result:
    """As JSON. The bytes were checked by the rival's driver, or there would be no run."""
    bound = bound_seconds(settings, model_bytes)
    return {
        "system": run.rival,
        "scenario": settings.scenario,
        "variant": settings.variant,
        "nodes": settings.nodes,
        "model_bytes": model_bytes,
        "chunk_bytes": settings.chunk_bytes,
        "link_bits_per_second": settings.link,
        "origin_total_bits_per_second": settings.origin_total,
        "origin_client_bits_per_second": settings.origin_client,
        "finish_seconds": dict(run.finish_seconds),
        "last_seconds": run.last_seconds,
        "bound_seconds": bound,
        "ratio": run.last_seconds / bound,
        "origin_bytes": run.origin_bytes,
        "origin_ratio": run.origin_bytes / model_bytes,
        "peer_bytes": run.peer_bytes,
        "uplink_balance": balance(samples[0], samples[-1]),
        "duplicate_bytes": run.duplicate_bytes,
        "cpu_seconds": run.cpu_seconds,
        "checks": {"digests": True},
        "timeline": timeline(samples),
    }
