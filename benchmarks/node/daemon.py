"""A daemon of one's own: `mows daemon` as a child process, in a directory of its own, driven through its REST API."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.node.errors import NodeError
from benchmarks.node.processes import POLL_SECONDS, Child, python

START_SECONDS = 30.0
MOUNT_SECONDS = 60.0
STOP_SECONDS = 45.0
"""More than `daemon.stop_timeout` is by default."""

CLOSE_SECONDS = 10.0
ANSWER_SECONDS = 60.0


class DaemonRefused(NodeError):
    """The daemon could not do what it was asked; the message is the daemon's own."""


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What differs from one run to the next."""

    directory: Path
    """Holds everything of the daemon: configuration, socket, state, tier, mounts."""
    capacity_bytes: int
    origin: Mapping[str, object]
    """One entry of `origins` in mows.yaml."""
    passthrough: Literal["auto", "on", "off"] = "auto"
    huge_pages: Literal["auto", "on", "off"] = "auto"
    sections: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Further keys of mows.yaml by section, for example ``{"fetch": {"read_deadline": 3}}``."""
    prefix: Sequence[str] = ()
    """Words before the command, to start it in another network."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Further environment variables."""

    def config(self) -> Mapping[str, object]:
        """The content of mows.yaml."""
        where = self.directory
        tier = {"path": str(where / "tier"), "capacity": self.capacity_bytes, "huge_pages": self.huge_pages}
        config: dict[str, dict[str, object] | list[object]] = {
            "node": {"id": where.name, "state_dir": str(where / "state")},
            "api": {"socket": str(where / "mows.sock")},
            "cache": {"tiers": [tier]},
            "origins": [dict(self.origin)],
            "mounts": {"allowed_roots": [str(where / "mounts")]},
            "fuse": {"passthrough": self.passthrough},
            "log": {"format": "text"},
        }
        for name, keys in self.sections.items():
            section = config.setdefault(name, {})
            assert isinstance(section, dict)
            section.update(keys)
        return config


class Daemon(Child):
    """One `mows daemon`. Entering only starts the process; `wait_ready` waits for it.

    Another one with the same settings, when the first is gone, goes on with what that one has cached.
    """

    def __init__(self, settings: DaemonSettings) -> None:
        where = settings.directory
        self.settings = settings
        self.socket = where / "mows.sock"
        self.tier = where / "tier"
        (where / "mounts").mkdir(parents=True, exist_ok=True)
        (where / "mows.yaml").write_text(yaml.safe_dump(settings.config(), sort_keys=False))
        command = [*settings.prefix, *python("cli", "daemon", "--config", where / "mows.yaml")]
        super().__init__("daemon", command, where, stop_seconds=STOP_SECONDS, environment=settings.environment)

    def wait_ready(self) -> None:
        """Block until it answers that it is ready. ChildFailed when it ends instead, or takes too long."""
        self.wait_until(self._is_ready, timeout_seconds=START_SECONDS)

    def _is_ready(self) -> bool:
        return self.listens() and self._request("GET", "/readyz").status_code == httpx.codes.OK

    def listens(self) -> bool:
        """Whether its API takes connections.

        Asked with a socket of our own, because httpcore leaves its one open when a Unix socket refuses.
        """
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def ask_mount(self, mount_id: str, source: str, *, warm: bool = False) -> Path:
        """Ask for a mount, and answer where it will be; does not wait for it. Raises DaemonRefused."""
        target = self.settings.directory / "mounts" / mount_id
        target.mkdir(exist_ok=True)
        self.call("PUT", f"/mounts/{mount_id}", {"source": source, "mount_path": str(target), "warm": warm})
        return target

    def mount(self, mount_id: str, source: str, *, warm: bool = False) -> Path:
        """Mount `source` and block until it can be read, though it may not be warm yet. Raises DaemonRefused."""
        target = self.ask_mount(mount_id, source, warm=warm)
        give_up = time.monotonic() + MOUNT_SECONDS
        state = self.mount_state(mount_id)
        while state["state"] in {"pending", "mounting"} and time.monotonic() < give_up:
            time.sleep(POLL_SECONDS)
            state = self.mount_state(mount_id)
        if state["state"] not in {"mounted", "warming", "warm"}:
            raise DaemonRefused(f"{source} is {state['state']}: {state.get('error')}")
        return target

    def unmount(self, mount_id: str) -> None:
        """Unmount, and block until the kernel has let go."""
        target = self.settings.directory / "mounts" / mount_id
        self.call("DELETE", f"/mounts/{mount_id}")
        self.wait_until(lambda: not target.is_mount(), timeout_seconds=MOUNT_SECONDS)

    def mount_state(self, mount_id: str) -> dict[str, Any]:
        """What ``GET /v1/mounts/{id}`` answers."""
        return self.call("GET", f"/mounts/{mount_id}")

    def bytes_from_origin(self, mount_id: str) -> int:
        """Bytes fetched for a mount since it was made."""
        return int(self.mount_state(mount_id)["bytes"]["from_origin"])

    def evict(self, source: str) -> None:
        """Drop everything cached of `source`. Raises DaemonRefused when some of it stays in use."""
        # A file is still in use for a moment after it was closed: the kernel tells the daemon later.
        give_up = time.monotonic() + CLOSE_SECONDS
        while kept := self._evict(source):
            if time.monotonic() > give_up:
                raise DaemonRefused(f"{source} could not be evicted: {kept}")
            time.sleep(0.01)

    def _evict(self, source: str) -> list[dict[str, Any]]:
        """What could not be dropped."""
        results = self.call("POST", "/cache/evict", {"source": source})["blobs"]
        return [result for result in results if result["result"] != "evicted"]

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """One request to the REST API, below ``/v1``; the JSON object it answers, empty for none."""
        response = self._request(method, f"/v1{path}", body)
        if response.is_error:
            raise DaemonRefused(f"{method} {path}: {response.status_code} {response.text}")
        document: dict[str, Any] = response.json() if response.content else {}
        return document

    def metrics(self) -> str:
        """All metrics, in Prometheus' text format."""
        return self._request("GET", "/metrics").raise_for_status().text

    def metric(self, name: str, **labels: str) -> float:
        """Sum of all samples called `name` that have these labels; 0 when there is none."""
        families = text_string_to_metric_families(self.metrics())
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def _request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> httpx.Response:
        transport = httpx.HTTPTransport(uds=str(self.socket), verify=False)  # 30 ms to load certificates nobody shows
        with httpx.Client(transport=transport, trust_env=False, timeout=ANSWER_SECONDS) as http:
            return http.request(method, f"http://localhost{path}", json=body)
