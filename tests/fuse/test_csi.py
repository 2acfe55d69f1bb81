"""Volumes of a real daemon: published, read by pods in namespaces of their own, and found again after its death."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from tests.fuse.daemon_process import Home, Process, is_mounted, running, unmount_below
from tests.fuse.mounted import child, finish, line_of, python, tell
from tests.kubelet import Kubelet, Mode, Pod, Volume, refusal

CONTENT = bytes(range(256)) * 16384
"""4 MiB: four chunks."""

READER = """
import hashlib, sys
for line in sys.stdin:
    try:
        with open(line.strip(), "rb") as file:
            print(hashlib.md5(file.read()).hexdigest(), flush=True)
    except OSError as error:
        print(error.strerror, flush=True)
"""
SLOW_READER = """
import hashlib, sys
with open(sys.argv[1], "rb", buffering=0) as file:
    digest = hashlib.md5(file.read(4096))
    print("open", flush=True)
    sys.stdin.readline()
    digest.update(file.readall())
print(digest.hexdigest())
"""
DIGEST = python("import hashlib; print(hashlib.md5(bytes(range(256)) * 16384).hexdigest())").strip()


@dataclass
class CsiHome:
    """The directories of a daemon and of a kubelet; the latter's is shared, as a node's is."""

    home: Home

    @property
    def socket(self) -> Path:
        return self.home.path / "csi.sock"

    @property
    def kubelet_dir(self) -> Path:
        return self.home.path / "kubelet"

    @property
    def source(self) -> str:
        return f"file://{self.home.source}"

    @contextmanager
    def daemon(self) -> Iterator[tuple[Process, Kubelet]]:
        with running(self.home) as process, Kubelet(self.socket, self.kubelet_dir) as kubelet:
            yield process, kubelet

    def log(self, level: str) -> list[str]:
        """The messages of this level."""
        lines = map(json.loads, (self.home.path / "log").read_text().splitlines())
        return [line["message"] for line in lines if line["level"] == level]


@pytest.fixture
def csi(tmp_path: Path) -> Iterator[CsiHome]:
    home = Home(tmp_path / "home")
    csi = CsiHome(home)
    csi.kubelet_dir.mkdir()
    home.sections = {
        "csi": {"socket": str(csi.socket), "kubelet_dir": str(csi.kubelet_dir), "sources": [csi.source]},
        "mounts": {"allowed_sources": [csi.source]},
        "node": {"zone": "z1"},
    }
    (home.source / "model.bin").write_bytes(CONTENT)
    subprocess.run(["mount", "--bind", csi.kubelet_dir, csi.kubelet_dir], check=True)
    subprocess.run(["mount", "--make-shared", csi.kubelet_dir], check=True)
    try:
        yield csi
    finally:
        unmount_below(csi.kubelet_dir)


def inline(csi: CsiHome, kubelet: Kubelet, name: str = "model", pod: Pod | None = None, **more: str) -> Volume:
    return kubelet.volume(name, pod, attributes={"source": csi.source, **more})


def test_the_calls_of_a_kubelet_in_its_order(csi: CsiHome) -> None:
    """SEMANTICS S38."""
    with csi.daemon() as (process, kubelet):
        info = kubelet.register()
        assert (info.node_id, dict(info.accessible_topology.segments)) == ("node-a", {"csi.mows.io/zone": "z1"})
        volume = inline(csi, kubelet, warm="true", lease="2h", refresh="0")
        for _ in range(2):  # the kubelet repeats itself
            kubelet.publish(volume)
            assert (volume.target / "model.bin").read_bytes() == CONTENT
            [size, files] = kubelet.stats(volume).usage
            assert (size.total, size.used, size.available, files.total) == (len(CONTENT), len(CONTENT), 0, 1)
            assert not kubelet.stats(volume).volume_condition.abnormal
        mounts = process.http.get("/v1/mounts").json()["mounts"]
        assert [mount["mount_path"] for mount in mounts] == [str(volume.target)]
        for _ in range(2):
            kubelet.unpublish(volume)
            assert not volume.target.exists()
        assert process.stop() == 0
    assert csi.log("WARNING") == []
    audit = map(json.loads, (csi.home.path / "state" / "audit.log").read_text().splitlines())
    assert [(row["action"], row["caller"], row["outcome"]) for row in audit] == [
        ("csi publish", "csi", "ok"),
        ("csi unpublish", "csi", "ok"),
    ]


def test_a_process_in_its_own_mount_namespace_reads_a_volume_that_is_published_later(csi: CsiHome) -> None:
    """SEMANTICS S38: a container's view is a slave of the node's, bound to the volume."""
    with csi.daemon() as (process, kubelet):
        first, second = (inline(csi, kubelet, pod=Pod(uid=uid)) for uid in ("pod-1", "pod-2"))
        kubelet.publish(first)
        command = ["unshare", "--mount", "--propagation", "slave", sys.executable, "-c", READER]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as pod:
            tell(pod, str(first.target / "model.bin"))
            assert line_of(pod) == DIGEST
            kubelet.publish(second)
            tell(pod, str(second.target / "model.bin"))
            assert line_of(pod) == DIGEST
            kubelet.unpublish(second)
            tell(pod, str(second.target / "model.bin"))
            assert line_of(pod) == "No such file or directory"
            assert finish(pod) == (0, "")
        kubelet.unpublish(first)
        assert process.stop() == 0


def test_a_container_reads_what_the_runtime_has_bound_into_it(csi: CsiHome, tmp_path: Path) -> None:
    root = tmp_path / "container" / "models"
    root.mkdir(parents=True)
    with csi.daemon() as (process, kubelet):
        volume = inline(csi, kubelet)
        kubelet.publish(volume)
        script = f"mount --bind -o ro {volume.target} {root} && exec cat {root}/model.bin"
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]
        assert subprocess.run(command, capture_output=True, check=True).stdout == CONTENT
        kubelet.unpublish(volume)
        assert process.stop() == 0


def test_volumes_of_one_source_share_one_cache(csi: CsiHome) -> None:
    """SEMANTICS S39."""
    with csi.daemon() as (process, kubelet):
        volumes = [inline(csi, kubelet, pod=Pod(uid=f"pod-{number}"), refresh="0") for number in range(3)]
        for volume in volumes:
            kubelet.publish(volume)
            assert (volume.target / "model.bin").read_bytes() == CONTENT
        fetched = [mount["bytes"]["from_origin"] for mount in process.http.get("/v1/mounts").json()["mounts"]]
        assert sum(fetched) == len(CONTENT)
        for volume in volumes:
            kubelet.unpublish(volume)
        assert process.stop() == 0


def test_a_volume_that_somebody_unmounted_is_mounted_again_by_the_next_call(csi: CsiHome) -> None:
    with csi.daemon() as (process, kubelet):
        volume = inline(csi, kubelet)
        kubelet.publish(volume)
        subprocess.run(["umount", "--lazy", volume.target], check=True)
        assert kubelet.stats(volume).volume_condition.abnormal
        kubelet.publish(volume)
        assert (volume.target / "model.bin").read_bytes() == CONTENT
        kubelet.unpublish(volume)
        assert process.stop() == 0


def test_a_target_that_is_somebody_elses_is_left_alone(csi: CsiHome) -> None:
    with csi.daemon() as (process, kubelet):
        volume = inline(csi, kubelet)
        volume.target.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", volume.target], check=True)
        for call in (kubelet.publish, kubelet.unpublish):
            with pytest.raises(grpc.RpcError) as failure:
                call(volume)
            code, details = refusal(failure.value)
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert "mounted there" in details
        subprocess.run(["umount", volume.target], check=True)
        kubelet.publish(volume)
        kubelet.unpublish(volume)
        assert process.stop() == 0


def test_published_volumes_are_found_again_after_the_daemons_death(csi: CsiHome) -> None:
    """SEMANTICS S40: without a keeper they are mounted anew."""
    with csi.daemon() as (first, kubelet):
        kept, dropped = inline(csi, kubelet, "kept"), inline(csi, kubelet, "dropped")
        kubelet.publish(kept)
        kubelet.publish(dropped)
        first.stop(signal.SIGKILL)
        with csi.daemon() as (second, again):
            assert (kept.target / "model.bin").read_bytes() == CONTENT
            again.publish(kept)
            assert not again.stats(kept).volume_condition.abnormal
            for volume in (kept, dropped):
                again.unpublish(volume)
                assert not volume.target.exists()
            assert second.stop() == 0


def test_what_a_daemon_left_that_lost_its_state_is_taken_away(csi: CsiHome) -> None:
    """As after a kill between the mount and its record, or a state directory that is not kept."""
    with csi.daemon() as (first, kubelet):
        published, orphan = inline(csi, kubelet, "published"), inline(csi, kubelet, "orphan")
        kubelet.publish(published)
        kubelet.publish(orphan)
        first.stop(signal.SIGKILL)
        for record in (csi.home.path / "state" / "mounts").glob("*/record.json"):
            record.unlink()
        with csi.daemon() as (second, again):
            assert is_mounted(published.target)
            again.publish(published)
            assert (published.target / "model.bin").read_bytes() == CONTENT
            for volume in (published, orphan):
                again.unpublish(volume)
                assert not volume.target.exists()
            assert second.stop() == 0


def test_a_persistent_volume_is_published_for_several_pods(csi: CsiHome) -> None:
    with csi.daemon() as (process, kubelet):
        shared = {"volume_id": "pv-qwen", "attributes": {"source": csi.source}, "mode": Mode.MULTI_NODE_READER_ONLY}
        first, second = (kubelet.volume("pv", Pod(uid=uid), **shared) for uid in ("pod-1", "pod-2"))
        kubelet.publish(first)
        kubelet.publish(second)
        kubelet.unpublish(first)
        assert (second.target / "model.bin").read_bytes() == CONTENT
        assert not kubelet.stats(second).volume_condition.abnormal
        kubelet.unpublish(second)
        assert process.stop() == 0


@contextmanager
def keeper(socket: Path) -> Iterator[None]:
    command = [sys.executable, "-m", "mows.keeper", "--socket", str(socket)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"holds descriptors" in process.stderr.readline()
        try:
            yield
        finally:
            process.kill()


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_with_a_keeper_a_pod_reads_on_through_a_restart(csi: CsiHome, end: signal.Signals) -> None:
    """SEMANTICS S40."""
    socket = csi.home.path / "keeper.sock"
    csi.home.sections |= {"daemon": {"keeper": str(socket)}, "fuse": {"passthrough": "off"}}
    with keeper(socket), csi.daemon() as (first, kubelet):
        volume = inline(csi, kubelet, refresh="0")
        kubelet.publish(volume)
        reader = child(SLOW_READER, volume.target / "model.bin")  # forking with it open would flush it, and wait
        with reader:
            assert line_of(reader) == "open"
            first.stop(end)
            with csi.daemon() as (second, again):
                tell(reader)
                assert finish(reader) == (0, DIGEST + "\n")
                again.publish(volume)
                assert "mows_mounts_adopted_total 1.0" in second.http.get("/metrics").text
                assert not again.stats(volume).volume_condition.abnormal
                again.unpublish(volume)
                assert not volume.target.exists()
                assert second.stop() == 0
