"""A real `redis-server` for as long as a test lasts: on a free port of the loopback, in memory only, ours alone."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_SECONDS = 30.0
"""Only a server that does not come up waits that long."""


class RedisServer:
    """One server on one port, which it keeps when it is killed and started again. It comes back empty."""

    def __init__(self, directory: Path, *, password: str = "") -> None:
        self._directory, self._password = directory, password
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As in ``peers.discovery.redis``."""
        secret = f":{self._password}@" if self._password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it accepts connections."""
        program = shutil.which("redis-server")
        assert program, "redis-server is not installed (Debian: apt-get install redis-server)"
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        options += ["--dir", str(self._directory), "--logfile", str(self._directory / "redis.log")]
        options += ["--requirepass", self._password] if self._password else []
        self.process = subprocess.Popen([program, *options], stdin=subprocess.DEVNULL)
        end = time.monotonic() + START_SECONDS
        while not self._accepts():
            assert self.process.poll() is None, (self._directory / "redis.log").read_text()
            assert time.monotonic() < end, f"redis-server does not listen on port {self.port}"
            time.sleep(0.01)

    def kill(self) -> None:
        """Take it away as a crash does. Nothing happens when it does not run."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def redis_server(*, password: str = "") -> Iterator[RedisServer]:
    """A running server, killed and wiped at the end of the block."""
    with tempfile.TemporaryDirectory(prefix="mows-redis-") as directory:
        server = RedisServer(Path(directory), password=password)
        server.start()
        try:
            yield server
        finally:
            server.kill()
