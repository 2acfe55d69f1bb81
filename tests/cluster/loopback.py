"""A few daemons on addresses of the loopback, and one origin: for tests of what nodes say and do, not of links."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.lab.leftovers import prefix_of
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.scratch import scratch
from benchmarks.ossserver import OssServer
from tests.fuse.node import BUCKET, CHUNK, origin_settings

CAPACITY_BYTES = 256 << 20
PORT = 9302
TOKEN = "of-this-test"
AT_A_TIME = 3
"""Daemons that start at once: more of them wait for the processor, and each has only so long."""

Keys = Mapping[str, object]


def host(number: int) -> str:
    """An address of this process alone, so that tests beside each other do not meet."""
    pid = os.getpid()
    return f"127.{1 + (pid >> 8) % 250}.{pid % 256}.{number + 1}"


def address(number: int) -> str:
    """Where the peers of a node reach it."""
    return f"{host(number)}:{PORT}"


class Loopback:
    """Daemons called node-0, node-1, ..., which know of each other."""

    def __init__(
        self, server: OssServer, directory: Path, settings: Sequence[DaemonSettings], stack: ExitStack
    ) -> None:
        self.server = server
        self.directory = directory
        self._settings = settings
        self._stack = stack
        self._daemons: dict[int, Daemon] = {}

    @property
    def daemons(self) -> list[Daemon]:
        """The last daemon of each node that ever had one."""
        return [daemon for _, daemon in sorted(self._daemons.items())]

    def start(self, *numbers: int) -> None:
        """Start the daemons of some nodes that have none now; blocks until all are ready."""
        for some in (numbers[first : first + AT_A_TIME] for first in range(0, len(numbers), AT_A_TIME)):
            started = {number: self._stack.enter_context(Daemon(self._settings[number])) for number in some}
            for daemon in started.values():
                daemon.wait_ready()
            self._daemons |= started

    def put(self, key: str, data: bytes) -> None:
        """Store an object at the origin."""
        self.server.put(BUCKET, key, data)

    def unplug_origin(self) -> None:
        """From now on objects can be listed there, and not read."""
        self.server.faults.fail(503, "ServiceUnavailable", count=None, operation="GetObject")

    def plug_origin(self) -> None:
        """Undo it."""
        self.server.faults.clear()

    def config(self, number: int) -> Path:
        """The mows.yaml of a node."""
        return self._settings[number].directory / "mows.yaml"


@contextmanager
def running_nodes(
    count: int,
    *,
    started: int | None = None,
    chunk_bytes: int = CHUNK,
    everywhere: Keys | None = None,
    changes: Mapping[int, Keys] | None = None,
    sections: Mapping[int, Mapping[str, Keys]] | None = None,
) -> Iterator[Loopback]:
    """Start the first `started` of `count` nodes, or all, and take down all that run in the end.

    `everywhere` are keys of `peers` that all have, `changes` those that differ on one of them, and `sections` other
    sections of one of them.
    """
    with ExitStack() as stack:
        where = stack.enter_context(scratch(count * CAPACITY_BYTES // 4, prefix=prefix_of(os.getpid())))
        server = stack.enter_context(OssServer(where / "origin"))
        server.create_bucket(BUCKET)
        (where / "token").write_text(TOKEN)
        (where / "token").chmod(0o600)
        common: Keys = {
            "discovery": {"static": [address(number) for number in range(count)]},
            "token_file": str(where / "token"),
            **(everywhere or {}),
        }
        settings = []
        for number in range(count):
            merged: dict[str, Keys] = {"cache": {"chunk_bytes": chunk_bytes}}
            merged["peers"] = {"listen": address(number), **common, **(changes or {}).get(number, {})}
            for name, keys in (sections or {}).get(number, {}).items():
                merged[name] = {**merged.get(name, {}), **keys}
            settings.append(_daemon(where / f"node-{number}", server, merged))
        nodes = Loopback(server, where, settings, stack)
        nodes.start(*range(count if started is None else started))
        yield nodes


def _daemon(where: Path, server: OssServer, sections: Mapping[str, Keys]) -> DaemonSettings:
    return DaemonSettings(where, CAPACITY_BYTES, origin_settings(server), huge_pages="off", sections=sections)
