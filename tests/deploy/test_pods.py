"""The pods as a node runs them: the DaemonSet's own command, a mount namespace for each pod, the keeper beside it."""

from __future__ import annotations

import contextlib
import hashlib
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.conftest import keeper
from tests.deploy.rendering import container, kustomized, named
from tests.fuse.daemon_process import WAIT_SECONDS, Home, is_mounted, running
from tests.fuse.node import some_bytes

COMMAND: list[str] = container(named(kustomized("base"), "DaemonSet", "mows"), "daemon")["command"]
AS_THE_POD = COMMAND[: COMMAND.index("python")]
"""What stands before the daemon in the container's command."""

POD = ["unshare", "--mount", "--propagation", "unchanged", *AS_THE_POD]
"""A mount namespace that shares with the host what is mounted in shared directories, and ends with the daemon."""

READER = """
import hashlib, sys
with open(sys.argv[1], "rb", buffering=0) as file:
    found = hashlib.sha256(file.read(1 << 20))
    print("open", flush=True)
    sys.stdin.readline()
    while data := file.read(1 << 20):
        found.update(data)
print(found.hexdigest(), end="")
"""

CAP_SYS_ADMIN = 21
SIZE_BYTES = 4 << 20


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Home]:
    """A host whose directory of mounts is shared with pods, as systemd makes all of a host's."""
    home = Home(tmp_path / "node", {"daemon": {"keeper": str(tmp_path / "keeper.sock")}})
    (home.source / "a.bin").write_bytes(some_bytes(SIZE_BYTES))
    subprocess.run(["mount", "--bind", home.mounts, home.mounts], check=True)
    try:
        subprocess.run(["mount", "--make-shared", home.mounts], check=True)
        yield home
    finally:
        subprocess.run(["umount", "--lazy", home.mounts], check=False)  # after a failure it has gone with the mounts


@contextlib.contextmanager
def reader(path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has read a part of a file, and reads the rest, and prints the digest, when it is told to.

    Not this process: with a file of the mount open it could not start the next daemon (docs/design/0009, A trap).
    """
    with subprocess.Popen(
        [sys.executable, "-c", READER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "open\n"
            yield process
        finally:
            process.kill()


def digest(data: bytes) -> str:
    """Short, where bytes would fill the screen."""
    return hashlib.sha256(data).hexdigest()


def test_a_new_version_of_the_daemons_pod_is_only_a_pause_for_readers(node: Home, tmp_path: Path) -> None:
    whole = digest(some_bytes(SIZE_BYTES))
    with keeper(tmp_path / "keeper.sock"), contextlib.ExitStack() as readers:
        with running(node, prefix=POD) as old:
            old.put_mount("m")
            reading = readers.enter_context(reader(node.mounts / "m" / "a.bin"))
            assert old.stop(signal.SIGTERM) == 0
        assert is_mounted(node.mounts / "m")
        with running(node, prefix=POD) as new:
            assert new.http.get("/v1/mounts/m").json()["state"] == "mounted"
            assert reading.communicate("go on\n", timeout=WAIT_SECONDS)[0] == whole
            assert new.stop(signal.SIGINT) == 0
        assert not is_mounted(node.mounts / "m")


def test_the_daemon_needs_no_capability_but_the_one_its_pod_keeps(node: Home, tmp_path: Path) -> None:
    with keeper(tmp_path / "keeper.sock"), running(node, prefix=POD) as daemon:
        status = Path(f"/proc/{daemon.child.pid}/status").read_text()
        sets = dict(re.findall(r"^Cap(Inh|Prm|Eff|Bnd|Amb):\s*(\w+)$", status, re.MULTILINE))
        kept = 1 << CAP_SYS_ADMIN
        assert {name: int(value, 16) for name, value in sets.items()} == {
            "Inh": 0, "Prm": kept, "Eff": kept, "Bnd": kept, "Amb": 0
        }  # fmt: skip
        assert "NoNewPrivs:\t1" in status
        daemon.put_mount("m")
        assert digest((node.mounts / "m" / "a.bin").read_bytes()) == digest(some_bytes(SIZE_BYTES))
        assert daemon.stop(signal.SIGINT) == 0


def test_the_keeper_lives_without_any_capability(node: Home, tmp_path: Path) -> None:
    drop_all = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--"]
    with keeper(tmp_path / "keeper.sock", prefix=drop_all), running(node, prefix=POD) as daemon:
        daemon.put_mount("m")
        assert "mows_keeper_connected 1.0" in daemon.http.get("/metrics").text
        assert daemon.stop(signal.SIGINT) == 0
