"""Instances on real mounts: shared caches, the ends of processes and pods, and daemons that follow one another."""

from __future__ import annotations

import contextlib
import hashlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.node.daemon import Daemon
from tests.fuse.daemon_process import is_mounted
from tests.fuse.mounted import child, finish, line_of, tell
from tests.fuse.node import BUCKET, Node, running_node, some_bytes
from tests.waiting import eventually

DATA = some_bytes(3 << 20)
STORAGE = [
    {"mount_path": "/mnt/all/", "oss": {"path": f"oss://{BUCKET}/m/", "readOnly": True}},
    {"mount_path": "/mnt/fast/", "cache": {"path": "/mnt/all/qwen/", "capacity": "10Gi"}},
]


READER = """
import hashlib, sys
with open(sys.argv[1], "rb", buffering=0) as file:
    digest = hashlib.sha256(file.read(4096))
    print("begun", flush=True)
    input()
    digest.update(file.readall())
print(digest.hexdigest())
"""


@pytest.fixture
def node() -> Iterator[Node]:
    with running_node() as running:
        running.put("m/qwen/weights", DATA)
        running.put("m/other/weights", b"other")
        yield running


@contextlib.contextmanager
def process() -> Iterator[subprocess.Popen[bytes]]:
    """An engine that would run for ever."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as engine:
        try:
            yield engine
        finally:
            engine.kill()


@contextlib.contextmanager
def keeper(socket: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "mows.keeper", "--socket", str(socket)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as keeping:
        try:
            assert keeping.stderr is not None
            assert b"holds descriptors" in keeping.stderr.readline()
            yield
        finally:
            keeping.kill()


def put(daemon: Daemon, instance_id: str = "i", **options: object) -> dict[str, Any]:
    body = {"name": "qwen", "storage": STORAGE, "mows": options}
    return daemon.call("PUT", f"/instances/{instance_id}?wait=60", body)


def instances(daemon: Daemon) -> list[str]:
    return [row["id"] for row in daemon.call("GET", "/instances")["instances"]]


def root_of(daemon: Daemon, instance_id: str = "i") -> Path:
    return daemon.settings.directory / "mounts" / instance_id


@contextlib.contextmanager
def next_daemon(node: Node) -> Iterator[Daemon]:
    with Daemon(node.daemon.settings) as daemon:
        daemon.wait_ready()
        yield daemon


def test_two_instances_of_one_model_fetch_it_once_and_only_what_has_a_twin_is_warmed(node: Node) -> None:
    for instance_id in ("a", "b"):
        document = put(node.daemon, instance_id, ready="warm")
        assert (document["state"], document["ready"], document["eta_seconds"]) == ("ready", True, 0.0)
        root = root_of(node.daemon, instance_id)
        assert [row["mount_path"] for row in document["mounts"]] == [f"{root}/mnt/all", f"{root}/mnt/fast"]
        assert (root / "mnt/fast/weights").read_bytes() == (root / "mnt/all/qwen/weights").read_bytes() == DATA
    assert node.sent_bytes() == len(DATA)
    node.daemon.call("DELETE", "/instances/a")
    assert not root_of(node.daemon, "a").exists()
    assert (root_of(node.daemon, "b") / "mnt/fast/weights").read_bytes() == DATA


def test_the_end_of_its_process_releases_an_instance(node: Node) -> None:
    with process() as engine:
        assert put(node.daemon, process=engine.pid)["ready"]
        mount = root_of(node.daemon) / "mnt/fast"
        assert is_mounted(mount)
        engine.kill()
        eventually(lambda: not root_of(node.daemon).exists(), "unmounted, and its directories removed")
    assert not is_mounted(mount)
    eventually(lambda: instances(node.daemon) == [], "forgotten")


def test_the_end_of_its_pod_releases_an_instance(tmp_path: Path) -> None:
    pod = tmp_path / "pods" / "7c1e"
    pod.mkdir(parents=True)
    with running_node(sections={"csi": {"kubelet_dir": str(tmp_path)}}) as node:
        node.put("m/qwen/weights", DATA)
        assert put(node.daemon, pod="7c1e")["ready"]
        pod.rmdir()
        eventually(lambda: not root_of(node.daemon).exists(), "unmounted, and its directories removed")
        eventually(lambda: instances(node.daemon) == [], "forgotten")


def test_an_instance_outlives_the_daemon(node: Node) -> None:
    with process() as engine:
        put(node.daemon, "short", process=engine.pid, lease="1h")
        put(node.daemon, "long", ready="warm", lease="1h")
        put(node.daemon, "gone")
        node.daemon.call("DELETE", "/instances/gone")
        node.daemon.stop()
        assert not is_mounted(root_of(node.daemon, "long") / "mnt/fast")  # there is no keeper
        engine.kill()
        engine.wait()
        with next_daemon(node) as daemon:
            assert instances(daemon) == ["long"]
            assert daemon.call("GET", "/instances/long?wait=60")["ready"]
            assert (root_of(daemon, "long") / "mnt/fast/weights").read_bytes() == DATA
            assert put(daemon, "long", ready="warm", lease="1h")["ready"]
            assert not root_of(daemon, "short").exists()
            daemon.call("DELETE", "/instances/long")


def test_a_killed_daemon_leaves_instances_to_the_next(node: Node) -> None:
    with process() as engine:
        put(node.daemon, process=engine.pid)
        node.daemon.kill()
        with next_daemon(node) as daemon:
            assert daemon.call("GET", "/instances/i?wait=60")["ready"]
            assert (root_of(daemon) / "mnt/fast/weights").read_bytes() == DATA
            engine.kill()
            eventually(lambda: instances(daemon) == [], "released by the death of its process")


def test_with_a_keeper_readers_of_an_instance_wait_for_the_next_daemon(tmp_path: Path) -> None:
    socket = tmp_path / "keeper.sock"
    sections = {"daemon": {"keeper": str(socket)}, "fuse": {"passthrough": "off"}}  # reads need a daemon
    with keeper(socket), running_node(sections=sections) as node:
        node.put("m/qwen/weights", DATA)
        put(node.daemon)
        reader = child(READER, root_of(node.daemon) / "mnt/fast/weights")
        assert line_of(reader) == "begun"
        node.daemon.kill()
        assert is_mounted(root_of(node.daemon) / "mnt/fast")
        with next_daemon(node) as daemon:
            tell(reader, "go on")
            code, output = finish(reader)
            assert (code, output.strip()) == (0, hashlib.sha256(DATA).hexdigest()), output
            assert daemon.call("GET", "/instances/i?wait=60")["ready"]
            daemon.call("DELETE", "/instances/i")
            assert not root_of(daemon).exists()
