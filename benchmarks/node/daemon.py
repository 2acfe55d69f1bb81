"""A daemon of one's own: `mows daemon` as a child process, in a directory of its own, driven through its REST API."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.node.processes import POLL_SECONDS, Child, ChildFailed, python
from cli.client import Api
from cli.endpoint import Endpoint
from cli.errors import CliError

START_SECONDS = 30.0
MOUNT_SECONDS = 60.0


class MountFailed(Exception):
    """The daemon could not mount, or not in time; the message is the daemon's own."""


@dataclass(frozen=True, slots=True)
class DaemonSettings:
    """What differs from one run to the next."""

    directory: Path
    """Holds everything of the daemon: configuration, socket, state, tier, mounts."""
    capacity_bytes: int
    origin: Mapping[str, object]
    """One entry of `origins` in mows.yaml."""
    passthrough: Literal["auto", "on", "off"] = "auto"

    def config(self) -> dict[str, object]:
        """The content of mows.yaml."""
        where = self.directory
        return {
            "node": {"id": where.name, "state_dir": str(where / "state")},
            "api": {"socket": str(where / "mows.sock")},
            "cache": {"tiers": [{"path": str(where / "tier"), "capacity": self.capacity_bytes}]},
            "origins": [dict(self.origin)],
            "mounts": {"allowed_roots": [str(where / "mounts")]},
            "fuse": {"passthrough": self.passthrough},
            "daemon": {"stop_timeout": 10},
            "log": {"format": "text"},
        }


class Daemon(Child):
    """One `mows daemon`. Entering only starts the process; `wait_ready` waits for it."""

    def __init__(self, settings: DaemonSettings) -> None:
        where = settings.directory
        self.settings = settings
        self.socket = where / "mows.sock"
        self.tier = where / "tier"
        (where / "mounts").mkdir(parents=True)
        (where / "mows.yaml").write_text(yaml.safe_dump(settings.config(), sort_keys=False))
        super().__init__("daemon", python("cli", "daemon", "--config", where / "mows.yaml"), where)

    def wait_ready(self) -> None:
        """Block until it answers that it is ready. ChildFailed when it ends instead, or takes too long."""
        self.wait_until(self._is_ready, timeout_seconds=START_SECONDS)

    def _is_ready(self) -> bool:
        try:
            return self._get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    @contextmanager
    def api(self) -> Iterator[Api]:
        """A connection to the REST API, for requests below ``/v1``."""
        with Api(Endpoint(self.socket)) as api:
            yield api

    def mount(self, mount_id: str, source: str) -> Path:
        """Mount `source` and block until it can be read. Raises MountFailed, CliError."""
        target = self.settings.directory / "mounts" / mount_id
        target.mkdir(exist_ok=True)
        give_up = time.monotonic() + MOUNT_SECONDS
        with self.api() as api:
            state = api.put(f"/mounts/{mount_id}", {"source": source, "mount_path": str(target)})
            while state["state"] in {"pending", "mounting"} and time.monotonic() < give_up:
                time.sleep(POLL_SECONDS)
                state = api.get(f"/mounts/{mount_id}")
        if state["state"] not in {"mounted", "warming", "warm"}:
            raise MountFailed(f"{source} is {state['state']}: {state.get('error')}")
        return target

    def unmount(self, mount_id: str) -> None:
        """Unmount, and block until the kernel has let go."""
        target = self.settings.directory / "mounts" / mount_id
        with self.api() as api:
            api.delete(f"/mounts/{mount_id}")
        self.wait_until(lambda: not target.is_mount(), timeout_seconds=MOUNT_SECONDS)

    def mount_state(self, mount_id: str) -> dict[str, Any]:
        """What ``GET /v1/mounts/{id}`` answers."""
        with self.api() as api:
            return api.get(f"/mounts/{mount_id}")

    def bytes_from_origin(self, mount_id: str) -> int:
        """Bytes fetched for a mount since it was made."""
        return int(self.mount_state(mount_id)["bytes"]["from_origin"])

    def evict(self, source: str) -> None:
        """Drop everything cached of `source`, which must not be mounted. CliError when it is in use."""
        with self.api() as api:
            api.post("/cache/evict", {"source": source})

    def metric(self, name: str, **labels: str) -> float:
        """Sum of all samples called `name` that have these labels; 0 when there is none."""
        families = text_string_to_metric_families(self._get("/metrics").raise_for_status().text)
        samples = (sample for family in families for sample in family.samples if sample.name == name)
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def _get(self, path: str) -> httpx.Response:
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(self.socket)), trust_env=False) as http:
            return http.get(f"http://localhost{path}")


__all__ = ["ChildFailed", "CliError", "Daemon", "DaemonSettings", "MountFailed"]
