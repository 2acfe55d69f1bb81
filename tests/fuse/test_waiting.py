"""A command that waits, over a daemon that is killed and replaced: the next one goes on, and so does the command."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks.node.daemon import Daemon
from tests.fuse.node import BUCKET, running_node, some_bytes
from tests.waiting import eventually

DATA = some_bytes(8 << 20)
SOURCE = f"oss://{BUCKET}/m/"


@pytest.mark.parametrize("words", [["prewarm", SOURCE, "--wait"], ["mount", SOURCE, "TARGET", "--warm"]])
def test_a_daemon_that_is_replaced_is_only_a_pause(words: list[str]) -> None:
    with running_node() as node:
        node.put("m/weights", DATA)
        node.server.faults.limit_bandwidth(total_bytes_per_second=3e6)
        command = [str(node.daemon.settings.directory / "mounts" / "m") if word == "TARGET" else word for word in words]
        waiting = subprocess.Popen(
            [sys.executable, "-m", "cli", "--socket", str(node.daemon.socket), *command],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        eventually(lambda: node.sent_bytes() > len(DATA) // 2, "half of the bytes")  # it has begun to wait
        node.daemon.kill()
        with Daemon(node.daemon.settings) as following:
            following.wait_ready()
            out, error = waiting.communicate()
            assert (waiting.returncode, out.split(":")[0]) == (0, "warm"), error
