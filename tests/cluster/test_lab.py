"""Real namespaces: who reaches whom, what the links are limited to, and that nothing is left of any of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.lab import Lab, LabSettings, Place, iproute
from benchmarks.lab.check import measure
from benchmarks.lab.leftovers import owner, prefix_of, remove_abandoned
from benchmarks.node.processes import REPOSITORY, Child
from benchmarks.node.scratch import scratch
from tests.waiting import WAIT_SECONDS, eventually

LINK = 100_000_000
PORT = 5002
NOTHING_SECONDS = "0.3"
"""How long to wait for what must not come."""

LISTEN = f"""
import socket
with socket.create_server(("0.0.0.0", {PORT})) as server:
    print("ready", flush=True)
    while True:
        server.accept()[0].close()
"""
CONNECT = f"""
import socket, sys
try:
    socket.create_connection((sys.argv[1], {PORT}), float(sys.argv[2])).close()
except OSError as error:
    sys.exit(type(error).__name__)
"""
HOLD = """
import sys
from benchmarks.lab import Lab, LabSettings
from benchmarks.node.scratch import scratch
from benchmarks.lab.leftovers import prefix_of
from tests.waiting import WAIT_SECONDS, eventually
import os, subprocess
with Lab(LabSettings(nodes=1, link_bits_per_second=1000000)) as lab, scratch(1, prefix=prefix_of(os.getpid())) as room:
    subprocess.Popen(lab.nodes[0].command(["sleep", "600"]))
    subprocess.run(["mount", "-t", "tmpfs", "none", str(room)], check=True)
    print(room, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def lab() -> Iterator[Lab]:
    settings = LabSettings(nodes=4, link_bits_per_second=LINK, origin_client_bits_per_second=LINK // 4)
    with Lab(settings) as built:
        yield built


@contextmanager
def listening(place: Place, logs: Path) -> Iterator[None]:
    """Somebody who takes connections."""
    with Child(place.name, place.command([sys.executable, "-c", LISTEN]), logs, piped=True) as child:
        child.hear()
        yield


def reaches(place: Place, other: Place, seconds: str = str(WAIT_SECONDS)) -> bool:
    """Whether a connection is taken within that time."""
    command = place.command([sys.executable, "-c", CONNECT, other.address, seconds])
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def ours() -> list[str]:
    """Namespaces of this process's labs."""
    return [name for name in iproute.namespaces() if owner(name) == os.getpid()]


def test_a_cut_divides_the_nodes_and_leaves_them_the_origin(lab: Lab, tmp_path: Path) -> None:
    first, second, third, _ = lab.nodes
    with listening(first, tmp_path), listening(second, tmp_path), listening(lab.origin, tmp_path):
        assert reaches(third, first)
        lab.partition([{0, 1}, {2, 3}])
        assert not reaches(third, first, NOTHING_SECONDS)
        assert reaches(first, second)
        assert all(reaches(place, lab.origin) for place in lab.nodes)
        lab.partition([{0, 2}, {1, 3}])
        assert reaches(third, first)
        assert not reaches(third, second, NOTHING_SECONDS)
        lab.heal()
        lab.heal()
        assert reaches(third, first)
        assert reaches(third, second)


def test_the_origin_can_be_unplugged_and_plugged(lab: Lab, tmp_path: Path) -> None:
    first, second, *_ = lab.nodes
    with listening(first, tmp_path), listening(lab.origin, tmp_path):
        lab.unplug_origin()
        assert not reaches(first, lab.origin, NOTHING_SECONDS)
        assert reaches(second, first)
        lab.plug_origin()
        eventually(lambda: reaches(first, lab.origin, "1"), "the origin is reached")


def test_a_node_can_be_unplugged_and_plugged(lab: Lab, tmp_path: Path) -> None:
    first, second, third, *_ = lab.nodes
    with listening(second, tmp_path), listening(third, tmp_path):
        lab.unplug(second)
        assert not reaches(first, second, NOTHING_SECONDS)
        assert reaches(first, third)
        lab.plug(second)
        eventually(lambda: reaches(first, second, "1"), "the other node is reached")


def buckets(lab: Lab, node: int) -> list[int]:
    """Rates of one node in bytes per second: up, down."""
    place = lab.nodes[node]
    rows: list[dict[str, Any]] = []
    for namespace, device in ((place.namespace, "eth0"), (lab.switch, place.name)):
        rows += iproute.ask("tc", "qdisc", "show", "dev", device, "root", namespace=namespace)
    return [int(row["options"]["rate"]) for row in rows]


def test_rates_change_while_it_runs(lab: Lab) -> None:
    lab.set_rate(1, up_bits_per_second=8_000_000, down_bits_per_second=16_000_000)
    assert buckets(lab, 0) == [LINK // 8, LINK // 8]
    assert buckets(lab, 1) == [1_000_000, 2_000_000]


def test_what_is_sent_is_counted_where_it_leaves_and_where_it_arrives(lab: Lab, tmp_path: Path) -> None:
    before = lab.counters()
    with listening(lab.nodes[0], tmp_path):
        assert reaches(lab.nodes[1], lab.nodes[0])
    after = lab.counters()
    assert set(after) == {place.name for place in lab.places}
    assert after["node-1"].sent_bytes > before["node-1"].sent_bytes
    assert after["node-0"].received_bytes > before["node-0"].received_bytes


def test_every_way_of_loading_links_is_measured(tmp_path: Path) -> None:
    ways = list(measure(LINK, 0.2, tmp_path))
    assert len({measured.way for measured in ways}) == 5
    assert all(measured.ratio > 0 for measured in ways)


def test_two_labs_do_not_meet(lab: Lab, tmp_path: Path) -> None:
    with Lab(LabSettings(nodes=1, link_bits_per_second=LINK)) as other, listening(lab.origin, tmp_path):
        assert other.origin.address == lab.origin.address
        assert not reaches(other.nodes[0], lab.origin, NOTHING_SECONDS)
        assert reaches(lab.nodes[0], lab.origin)


def test_leaving_kills_what_runs_inside() -> None:
    with Lab(LabSettings(nodes=1, link_bits_per_second=LINK)) as lab:
        process = subprocess.Popen(lab.nodes[0].command(["sleep", "600"]))
        inside = partial(iproute.processes_inside, lab.nodes[0].namespace)
        eventually(lambda: process.pid in inside(), "the process is in the namespace")
    assert process.wait(WAIT_SECONDS) == -signal.SIGKILL
    assert ours() == []


def test_a_lab_that_cannot_be_built_leaves_nothing() -> None:
    with pytest.raises(iproute.NetworkRefused, match="rate"):
        Lab(LabSettings(nodes=1, link_bits_per_second=-1)).__enter__()
    assert ours() == []


def test_what_a_killed_run_left_is_removed_and_the_living_keep_theirs(lab: Lab) -> None:
    killed = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=REPOSITORY, stdout=subprocess.PIPE, stdin=subprocess.PIPE
    )
    with killed, scratch(1, prefix=prefix_of(os.getpid())) as mine:
        assert killed.stdout is not None
        room = Path(killed.stdout.readline().decode().strip())
        killed.kill()
        killed.wait(WAIT_SECONDS)
        removed = remove_abandoned()
        assert mine.exists()
    assert room in removed.directories
    assert not room.exists()
    assert [name for name in iproute.namespaces() if owner(name) == killed.pid] == []
    assert {place.namespace for place in lab.places} < set(ours())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_network_is_taken_down(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "benchmarks.lab", "up", "--nodes", "2"]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout)
        assert any("node-1" in line for line in lines)
        assert any("up" in line for line in lines)
        assert [name for name in iproute.namespaces() if owner(name) == process.pid]
        process.send_signal(number)
        assert process.wait(WAIT_SECONDS) == 130
    assert [name for name in iproute.namespaces() if owner(name) == process.pid] == []
