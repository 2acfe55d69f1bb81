"""A daemon as its users run it: a process of its own, with a configuration file and a socket."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

WAIT_SECONDS = 60.0


@dataclass
class Home:
    """The directories of one daemon, which outlive its process."""

    path: Path
    sections: dict[str, dict[str, object]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.mounts.mkdir(parents=True)
        self.source.mkdir()

    @property
    def mounts(self) -> Path:
        return self.path / "mounts"

    @property
    def source(self) -> Path:
        return self.path / "source"

    @property
    def socket(self) -> Path:
        return self.path / "mows.sock"

    @property
    def config(self) -> Path:
        """Written anew at each use: tests change `sections`."""
        base: dict[str, dict[str, object]] = {
            "node": {"id": "node-a", "state_dir": str(self.path / "state")},
            "api": {"socket": str(self.socket)},
            "cache": {"chunk_bytes": "1MiB", "tiers": [{"path": str(self.path / "tier"), "capacity": "64MiB"}]},
            "mounts": {"allowed_roots": [str(self.mounts)], "drain": "2s"},
        }
        document = {name: base.get(name, {}) | self.sections.get(name, {}) for name in base | self.sections}
        path = self.path / "mows.yaml"
        path.write_text(yaml.safe_dump(document))
        return path


@dataclass
class Process:
    """A running daemon."""

    home: Home
    child: subprocess.Popen[str]
    http: httpx.Client

    def put_mount(self, mount_id: str = "m", **more: object) -> dict[str, Any]:
        """Mount the home's source, and wait until it is settled."""
        target = self.home.mounts / mount_id
        body = {"source": f"file://{self.home.source}", "mount_path": str(target), **more}
        response = self.http.put(f"/v1/mounts/{mount_id}", params={"wait": WAIT_SECONDS}, json=body)
        document: dict[str, Any] = response.raise_for_status().json()
        return document

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self.child.send_signal(number)
        return self.child.wait(WAIT_SECONDS)


@contextlib.contextmanager
def running(home: Home, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> Iterator[Process]:
    """Start a daemon and wait until it answers; killed at the end if it still runs."""
    with start(home, environment, prefix) as child:
        transport = httpx.HTTPTransport(uds=str(home.socket))
        with httpx.Client(transport=transport, base_url="http://mows", timeout=WAIT_SECONDS) as http:
            try:
                _wait_until_ready(http, child, home.socket)
                yield Process(home, child, http)
            finally:
                if child.poll() is None:
                    child.kill()
                    child.wait()
                    unmount_below(home.mounts)


def start(
    home: Home, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Start a daemon, as an argument of the program `prefix` if there is one; its log is its standard error."""
    command = [*prefix, sys.executable, "-m", "mows", "--config", str(home.config)]
    log = (home.path / "log").open("a")
    with log:
        return subprocess.Popen(command, stderr=log, text=True, env=dict(environment) if environment else None)


def is_mounted(path: Path) -> bool:
    """Whether the kernel knows a mount there."""
    return path in _mount_points()


def unmount_below(directory: Path) -> None:
    """Take away what a daemon left that a failed test had killed."""
    for path in _mount_points():
        if path.is_relative_to(directory):
            subprocess.run(["umount", "--lazy", path], check=True)


def _mount_points() -> list[Path]:
    return [Path(line.split()[4]) for line in Path("/proc/self/mountinfo").read_text().splitlines()]


def _wait_until_ready(http: httpx.Client, child: subprocess.Popen[str], path: Path) -> None:
    end = time.monotonic() + WAIT_SECONDS
    while not _answers(path):  # asked with a plain socket: httpx leaks one per refused connection
        assert child.poll() is None, "the daemon ended before it was ready"
        assert time.monotonic() < end, "the daemon did not become ready"
        time.sleep(0.02)
    assert http.get("/readyz").status_code == httpx.codes.OK


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(path)) == 0
