"""The real aria2 and libtorrent on the lab's links, with a small model: right bytes, from where they should come."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.lab import Lab, LabSettings
from benchmarks.node.oss import BUCKET, OssProcess
from benchmarks.scaleout.rivals import aria2
from benchmarks.scaleout.rivals.course import Course
from benchmarks.scaleout.rivals.torrent import Source, download

LINK = 400_000_000
MIB = 1024 * 1024
MODEL_BYTES = 5 * MIB + 70_003


@pytest.fixture
def course(tmp_path: Path) -> Iterator[Course]:
    """Two nodes, an origin that needs no signature, a model of three files."""
    model, work = tmp_path / "model", tmp_path / "work"
    model.mkdir()
    work.mkdir()
    for name, size_bytes in (("config.json", 3), ("one.safetensors", 5 * MIB), ("two.safetensors", 70_000)):
        (model / name).write_bytes(os.urandom(size_bytes))
    with (
        Lab(LabSettings(nodes=2, link_bits_per_second=LINK)) as lab,
        OssProcess(tmp_path / "oss", anonymous=True, host=lab.origin.address, prefix=lab.origin.prefix) as oss,
    ):
        oss.wait_ready()
        oss.put_tree("model", model)
        url = f"{oss.endpoint}/{BUCKET}/model/"
        yield Course(model, lab.origin, url, oss.bytes_sent, lab.nodes, work, deadline_seconds=60)


def test_with_aria2_every_node_takes_all_from_the_origin(course: Course) -> None:
    run = aria2.download(course)
    assert set(run.finish_seconds) == {"node-0", "node-1"}
    assert run.origin_bytes >= 2 * MODEL_BYTES
    assert run.cpu_seconds > 0


@pytest.mark.parametrize("source", ["web seed", "seeder"])
def test_with_libtorrent_the_origin_and_the_nodes_give(course: Course, source: Source) -> None:
    run = download(course, source)
    assert set(run.finish_seconds) == {"node-0", "node-1"}
    assert run.origin_bytes >= MODEL_BYTES
    assert run.origin_bytes + run.peer_bytes >= 2 * MODEL_BYTES
    assert run.cpu_seconds > 0


def test_with_libtorrent_a_warm_node_gives_everything(course: Course) -> None:
    run = download(replace(course, nodes=course.nodes[1:], warm=course.nodes[:1]), "warm nodes")
    assert set(run.finish_seconds) == {"node-1"}
    assert run.origin_bytes == 0
    assert run.peer_bytes >= MODEL_BYTES
