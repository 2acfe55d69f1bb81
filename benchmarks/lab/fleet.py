"""The programs in a lab: the OSS test server at the origin, a daemon on every node, and Redis when it is asked for.

Everything is real but the distances: each daemon is a process of its own, with its own configuration, cache, socket and
mounts, and the only thing they share is the network. Mounts and sockets are seen from outside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from benchmarks.lab.network import Lab
from benchmarks.lab.place import Place
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.processes import Child
from benchmarks.node.procfs import cpu_seconds
from benchmarks.node.resources import Resources
from benchmarks.node.scratch import remove

PEER_PORT = 9302
REDIS_PORT = 6379
REDIS_READY = "Ready to accept"
REDIS_SECONDS = 20.0
TOKEN = "the-lab-of-one-run"

Sections = Mapping[str, Mapping[str, object]]
"""Keys of mows.yaml by section."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """What all daemons of a fleet have in common."""

    directory: Path
    """Room for everything; short, since Unix sockets lie in it."""
    capacity_bytes: int
    """Of each node's cache."""
    chunk_bytes: int
    discovery: Literal["static", "redis"] = "static"
    sections: Sections = field(default_factory=dict)
    """Further keys, which win over the fleet's own."""
    credentials: Mapping[str, object] | None = None
    """`origins[].credentials` of all nodes. None: the server's own static key."""


class Node:
    """One host's daemon, in all its lives. Its name is the host's."""

    def __init__(self, place: Place, directory: Path) -> None:
        self.place = place
        self.directory = directory
        self._daemon: Daemon | None = None
        self._spent_seconds = 0.0

    @property
    def name(self) -> str:
        """Its id among peers."""
        return self.place.name

    @property
    def daemon(self) -> Daemon:
        """The one that runs; only while one does."""
        assert self._daemon is not None, f"{self.name} has no daemon now"
        return self._daemon

    @property
    def running(self) -> bool:
        """Whether it has a daemon."""
        return self._daemon is not None

    def took_over(self, daemon: Daemon) -> None:
        """A daemon was started here."""
        self._daemon = daemon

    def kill(self) -> None:
        """Kill the daemon as the kernel would for want of memory: no warning, nothing closed, its mounts dead."""
        self._spent_seconds += self._cpu_seconds()
        self.daemon.kill()
        self._daemon = None

    def stop(self) -> None:
        """Stop the daemon as an upgrade does, and wait for its end."""
        self._spent_seconds += self._cpu_seconds()
        self.daemon.stop()
        self._daemon = None

    def cpu_seconds(self) -> float:
        """User and system time of all its daemons so far."""
        return self._spent_seconds + (self._cpu_seconds() if self._daemon else 0.0)

    def _cpu_seconds(self) -> float:
        return cpu_seconds(self.daemon.pid)


class Fleet:
    """Daemons and origin server in a lab. Whatever it starts belongs to `resources`, which own the lab already."""

    def __init__(self, resources: Resources, lab: Lab, settings: FleetSettings) -> None:
        self.lab = lab
        self.nodes = tuple(Node(place, settings.directory / place.name) for place in lab.nodes)
        self._resources = resources
        self._settings = settings
        self._token = settings.directory / "peer.token"
        self._token.write_text(f"{TOKEN}\n")
        self._token.chmod(0o600)
        self._origin: OssProcess | None = None
        self._redis: Child | None = None

    @property
    def origin(self) -> OssProcess:
        """The OSS server; only after it was started."""
        assert self._origin is not None, "the origin was not started"
        return self._origin

    def start_origin(self) -> OssProcess:
        """Start the OSS server, and Redis if the nodes find each other by it; blocks until both listen."""
        place = self.lab.origin
        where = self._settings.directory / "oss"
        self._origin = self._resources.enter(OssProcess(where, anonymous=True, host=place.address, prefix=place.prefix))
        self._origin.wait_ready()
        if self._settings.discovery == "redis":
            self.start_redis()
        return self._origin

    def start(self, nodes: Sequence[int], sections: Sections | None = None) -> None:
        """Start daemons, all at once; blocks until all are ready. What a former daemon cached is there for them."""
        for node in nodes:
            self.launch(node, sections or {})
        for node in nodes:
            self.nodes[node].daemon.wait_ready()

    def launch(self, node: int, sections: Sections, environment: Mapping[str, str] | None = None) -> None:
        """Start one daemon; does not wait for it."""
        settings = self._daemon_settings(node, sections, environment or {})
        self.nodes[node].took_over(self._resources.enter(Daemon(settings)))

    def clear(self, node: int) -> None:
        """Remove what a node has on its disk, cache and dead mounts included; only while it has no daemon."""
        assert not self.nodes[node].running
        remove(self.nodes[node].directory)

    def stop(self) -> None:
        """Stop all daemons, all at once, then the servers. Blocks. Idempotent."""
        running = [node for node in self.nodes if node.running]
        for node in running:
            node.daemon.process.terminate()
        for node in running:
            node.stop()
        self.stop_servers()

    def stop_servers(self) -> None:
        """Stop the origin's server, and Redis. Idempotent."""
        for server in (self._origin, self._redis):
            if server is not None:
                server.stop()

    def start_redis(self) -> None:
        """Start Redis, empty; blocks until it listens."""
        place = self.lab.services
        options = ["--bind", place.address, "--port", str(REDIS_PORT), "--save", "", "--appendonly", "no"]
        command = place.command(["redis-server", *options, "--protected-mode", "no"])
        redis = Child("redis", command, self._settings.directory)
        said = redis.log.read_text().count(REDIS_READY) if redis.log.exists() else 0
        self._redis = self._resources.enter(redis)
        redis.wait_until(lambda: redis.log.read_text().count(REDIS_READY) > said, timeout_seconds=REDIS_SECONDS)

    def kill_redis(self) -> None:
        """Take Redis away as a crash does."""
        assert self._redis is not None, "Redis was not started"
        self._redis.kill()

    def _daemon_settings(self, node: int, sections: Sections, environment: Mapping[str, str]) -> DaemonSettings:
        mine: dict[str, dict[str, object]] = {
            "cache": {"chunk_bytes": self._settings.chunk_bytes},
            "peers": dict(self._peers(node)),
        }
        for given in (self._settings.sections, sections):
            for name, keys in given.items():
                mine.setdefault(name, {}).update(keys)
        origin = self.origin.origin()
        if self._settings.credentials is not None:
            origin["credentials"] = dict(self._settings.credentials)
        return DaemonSettings(
            self.nodes[node].directory,
            self._settings.capacity_bytes,
            origin,
            huge_pages="off",  # links are slow here, and each tier would be one more mount
            sections=mine,
            prefix=self.nodes[node].place.prefix,
            environment=environment,
        )

    def _peers(self, node: int) -> Mapping[str, object]:
        others = [peer_address(other.place) for other in self.nodes if other is not self.nodes[node]]
        redis = f"redis://{self.lab.services.address}:{REDIS_PORT}/0"
        return {
            "listen": f"0.0.0.0:{PEER_PORT}",
            "advertise": peer_address(self.nodes[node].place),
            "discovery": {"redis": redis} if self._settings.discovery == "redis" else {"static": others},
            "token_file": str(self._token),
        }


def peer_address(place: Place) -> str:
    """Where the others reach a node's gRPC service; its bulk lane is the next port."""
    return f"{place.address}:{PEER_PORT}"
