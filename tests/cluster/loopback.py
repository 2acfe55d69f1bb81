"""A few daemons on addresses of the loopback, and one origin: for tests of what is said about peers, not of links."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.scratch import scratch
from benchmarks.ossserver import OssServer
from tests.fuse.node import BUCKET, CHUNK, origin_settings

CAPACITY_BYTES = 256 << 20
PORT = 9302
TOKEN = "of-this-test"

Keys = Mapping[str, object]


def host(number: int) -> str:
    """An address of this process alone, so that tests beside each other do not meet."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 8) % 250}.{pid % 256}.{number + 1}"


def address(number: int) -> str:
    """Where the peers of a node reach it."""
    return f"{host(number)}:{PORT}"


@dataclass
class Loopback:
    """Daemons called node-0, node-1, ..., which know of each other."""

    server: OssServer
    directory: Path
    daemons: list[Daemon]

    def config(self, number: int) -> Path:
        """The mows.yaml of a daemon."""
        return self.daemons[number].settings.directory / "mows.yaml"


@contextmanager
def running_nodes(count: int, *, changes: Mapping[int, Keys] | None = None) -> Iterator[Loopback]:
    """Start `count` nodes and take them down; `changes` are keys of `peers` that differ on one of them."""
    with ExitStack() as stack:
        where = stack.enter_context(scratch(count * CAPACITY_BYTES // 4, prefix="mows-test-"))
        server = stack.enter_context(OssServer(where / "origin"))
        server.create_bucket(BUCKET)
        (where / "token").write_text(TOKEN)
        (where / "token").chmod(0o600)
        found = {"static": [address(number) for number in range(count)]}
        daemons = []
        for number in range(count):
            peers: dict[str, object] = {
                "listen": address(number),
                "discovery": found,
                "token_file": str(where / "token"),
            }
            peers |= (changes or {}).get(number, {})
            sections: dict[str, Keys] = {"cache": {"chunk_bytes": CHUNK}, "peers": peers}
            settings = DaemonSettings(
                where / f"node-{number}", CAPACITY_BYTES, origin_settings(server), huge_pages="off", sections=sections
            )
            daemons.append(stack.enter_context(Daemon(settings)))
        for daemon in daemons:
            daemon.wait_ready()
        yield Loopback(server, where, daemons)
