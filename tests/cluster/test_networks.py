"""Nodes in networks of their own: zones with a border between them, and a firewall that swallows the bulk lane."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.lab import Lab, LabSettings, iproute
from benchmarks.lab.fleet import PEER_PORT, Fleet, FleetSettings
from benchmarks.lab.leftovers import prefix_of
from benchmarks.node.daemon import Daemon
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import scratch
from tests.cluster.views import end_of, peers_of, rows, start_warming, wait_until_up, warm
from tests.fuse.node import some_bytes

LINK = 400_000_000
CHUNK = 256 << 10
CAPACITY_BYTES = 128 << 20
DATA = some_bytes(16 << 20)
MOST_COPIES = 1.3
"""Into a zone, from everywhere else. Two zones of two nodes that know of no border would have 1.5."""

TCP_DESTINATION = 36
"""Offset of the port in an Ethernet frame with an IPv4 header without options."""

Zone = tuple[int, ...]


@contextmanager
def running(zones: Mapping[str, Zone]) -> Iterator[tuple[Fleet, str]]:
    """Daemons that know of each other, and the source of a model that the origin has."""
    count = sum(map(len, zones.values()))
    with Resources() as resources:
        where = resources.enter(scratch(count * CAPACITY_BYTES, prefix=prefix_of(os.getpid())))
        settings = LabSettings(nodes=count, link_bits_per_second=LINK, origin_total_bits_per_second=LINK)
        lab = resources.enter(Lab(settings))
        fleet = Fleet(resources, lab, FleetSettings(directory=where, capacity_bytes=CAPACITY_BYTES, chunk_bytes=CHUNK))
        fleet.start_origin()
        source = fleet.origin.put_tree("model", model(where))
        for name, nodes in zones.items():
            fleet.start(nodes, {"node": {"zone": name}})
        wait_until_up(*(node.daemon for node in fleet.nodes))
        yield fleet, source


def model(where: Path) -> Path:
    directory = where / "model"
    directory.mkdir()
    (directory / "model.safetensors").write_bytes(DATA)
    return directory


def test_chunks_cross_the_border_of_a_zone_about_once() -> None:
    zones = {"a": (0, 1), "b": (2, 3)}
    with running(zones) as (fleet, source):
        daemons = [node.daemon for node in fleet.nodes]
        with ThreadPoolExecutor(len(daemons)) as callers:  # at once: the answer waits for the listing
            jobs = list(callers.map(lambda daemon: start_warming(daemon, source), daemons))
        from_origin = [wait_until_warm(daemon, job) for daemon, job in zip(daemons, jobs, strict=True)]
        for zone, members in zones.items():
            crossed = [from_origin[number] + from_other_zones(daemons[number], zone) for number in members]
            assert sum(crossed) <= MOST_COPIES * len(DATA), (zone, crossed)


def wait_until_warm(daemon: Daemon, job: str) -> int:
    """Bytes that came from the origin."""
    return int(end_of(daemon, job)["bytes"]["from_origin"])


def from_other_zones(daemon: Daemon, zone: str) -> int:
    """Bytes that came from peers beyond the border."""
    return sum(int(peer["received_bytes"]) for peer in peers_of(daemon)["peers"] if peer["zone"] != zone)


def swallow(fleet: Fleet, port: int) -> None:
    """From now on nothing that the nodes send to this port arrives, and nobody is told."""
    at_port = f"4,40 0 0 {TCP_DESTINATION},21 0 1 {port},6 0 0 2,6 0 0 4294967295"
    filters = [
        f"filter add dev {node.name} ingress protocol ip bpf direct-action bytecode '{at_port}'" for node in fleet.nodes
    ]
    iproute.tc(filters, namespace=fleet.lab.switch)


def test_a_lane_that_a_firewall_swallows_is_left_for_grpc() -> None:
    with running({"a": (0, 1)}) as (fleet, source):
        giver, taker = (node.daemon for node in fleet.nodes)
        warm(giver, source)
        swallow(fleet, PEER_PORT + 1)
        path = taker.mount("m", source) / "model.safetensors"
        fleet.lab.unplug_origin()
        assert path.read_bytes() == DATA
        (row,) = rows(taker, "node-0")
        assert (row["lane"], row["received_bytes"], row["state"]) == ("grpc", len(DATA), "up")
