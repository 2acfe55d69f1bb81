"""The metrics of two real daemons that have fetched something from the origin and from each other."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from tests.cluster.loopback import address, running_nodes
from tests.fuse.node import some_bytes
from tests.waiting import eventually

SIZE_BYTES = 8 << 20


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> list[Metric]:
    """All families of both daemons' ``/metrics``."""
    sockets = [tmp_path_factory.mktemp("keeper") / "keeper.sock" for _ in range(2)]
    with contextlib.ExitStack() as stack:
        for socket in sockets:
            stack.enter_context(keeper(socket))
        kept = {number: {"daemon": {"keeper": str(socket)}} for number, socket in enumerate(sockets)}
        discovery = {"discovery": {"static": [address(number) for number in range(3)]}}  # nobody listens at the last
        nodes = stack.enter_context(running_nodes(2, sections=kept, everywhere=discovery))
        nodes.put("m/a.bin", some_bytes(SIZE_BYTES))
        for daemon in nodes.daemons:  # the first from the origin, the second from the first
            path = daemon.mount("m", "oss://models/m/") / "a.bin"
            assert len(path.read_bytes()) == SIZE_BYTES
        first = nodes.daemons[0]
        eventually(lambda: first.metric("mows_peer_problems") > 0, "the address at which nobody listens is a problem")
        texts = [daemon.metrics() for daemon in nodes.daemons]
        for daemon in nodes.daemons:  # else the keepers would have them
            daemon.unmount("m")
    return [family for text in texts for family in text_string_to_metric_families(text)]


@contextlib.contextmanager
def keeper(socket: Path, prefix: Sequence[str] = ()) -> Iterator[None]:
    """A keeper that answers at `socket`, started as an argument of the program `prefix` if there is one."""
    command = [*prefix, sys.executable, "-m", "mows.keeper", "--socket", str(socket)]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"holds descriptors" in process.stderr.readline()
        try:
            yield
        finally:
            process.terminate()
            process.communicate()
