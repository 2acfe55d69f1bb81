"""Keys that only the kubelet has: used for one volume, replaced while it is read, asked for again after a restart."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from benchmarks.node.daemon import Daemon
from benchmarks.ossserver import OssServer, StsToken
from tests.fuse.daemon_process import unmount_below
from tests.fuse.node import BUCKET, CHUNK, Node, running_node, some_bytes
from tests.kubelet import Kubelet, Pod, Volume, refusal

WRONG = {"provider": "static", "access_key_id": "nobody", "access_key_secret": "wrong-secret-of-the-node"}
CONTENT = some_bytes(16 * CHUNK)


@dataclass
class Secretive:
    """A node whose own keys are of no use."""

    node: Node
    kubelet: Kubelet

    def secrets(self) -> Mapping[str, str]:
        """New keys that the bucket accepts for an hour."""
        return as_secrets(self.node.server.issue_sts_token(3600))

    def volume(self, secrets: Mapping[str, str], pod: str = "pod-1") -> Volume:
        attributes = {"source": f"oss://{BUCKET}/m/", "refresh": "0"}
        return self.kubelet.volume("model", Pod(uid=pod), attributes=attributes, secrets=secrets)


def as_secrets(token: StsToken) -> dict[str, str]:
    return {
        "access_key_id": token.access_key_id,
        "access_key_secret": token.access_key_secret,
        "security_token": token.security_token,
    }


def useless(server: OssServer, where: Path) -> Mapping[str, object]:
    return WRONG


@pytest.fixture
def secretive(tmp_path: Path) -> Iterator[Secretive]:
    kubelet_dir, socket = tmp_path / "kubelet", tmp_path / "csi.sock"
    kubelet_dir.mkdir()
    subprocess.run(["mount", "--bind", kubelet_dir, kubelet_dir], check=True)
    subprocess.run(["mount", "--make-shared", kubelet_dir], check=True)
    sections = {"csi": {"socket": str(socket), "kubelet_dir": str(kubelet_dir)}, "log": {"level": "debug"}}
    try:
        with running_node(sections=sections, credentials=useless) as node, Kubelet(socket, kubelet_dir) as kubelet:
            node.put("m/w", CONTENT)
            yield Secretive(node, kubelet)
    finally:
        unmount_below(kubelet_dir)


def test_a_volume_is_read_with_its_own_keys_and_nothing_else_is(secretive: Secretive) -> None:
    """SEMANTICS S41."""
    kubelet, secrets = secretive.kubelet, secretive.secrets()
    volume = secretive.volume(secrets)
    kubelet.publish(volume)
    assert (volume.target / "w").read_bytes() == CONTENT
    with pytest.raises(grpc.RpcError) as failure:
        kubelet.publish(secretive.volume({}, pod="pod-2"))
    assert refusal(failure.value)[0] is grpc.StatusCode.PERMISSION_DENIED
    kubelet.unpublish(volume)
    assert_unsaid(secretive.node, secrets)


def test_keys_are_replaced_while_somebody_reads(secretive: Secretive) -> None:
    kubelet, node = secretive.kubelet, secretive.node
    volume = secretive.volume(secretive.secrets())
    kubelet.publish(volume)
    with (volume.target / "w").open("rb", buffering=0) as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        assert os.pread(file.fileno(), 4096, 0) == CONTENT[:4096]
        node.server.expire_sts_tokens()
        kubelet.publish(secretive.volume(secretive.secrets()))
        for offset in range(0, len(CONTENT), CHUNK):
            assert os.pread(file.fileno(), 4096, offset) == CONTENT[offset : offset + 4096]
    kubelet.unpublish(volume)


def test_after_a_restart_readers_wait_for_the_kubelet_to_hand_the_keys_over_again(secretive: Secretive) -> None:
    kubelet, node = secretive.kubelet, secretive.node
    secrets = secretive.secrets()
    volume = secretive.volume(secrets)
    kubelet.publish(volume)
    node.daemon.kill()
    with Daemon(node.daemon.settings) as second, ThreadPoolExecutor(1) as reader:
        second.wait_ready()
        reading = reader.submit((volume.target / "w").read_bytes)
        kubelet.publish(volume)
        assert reading.result(60) == CONTENT
        kubelet.unpublish(volume)
    assert_unsaid(node, secrets)


def assert_unsaid(node: Node, secrets: Mapping[str, str]) -> None:
    """In no log, no record, no answer."""
    state = node.daemon.settings.directory / "state"
    files = [path.read_text(errors="replace") for path in state.rglob("*") if path.is_file()]
    everything = (
        node.log + "".join(files) + json.dumps(node.daemon.call("GET", "/mounts") if node.daemon.listens() else "")
    )
    assert [name for name, secret in secrets.items() if secret in everything and name != "access_key_id"] == []
