"""The whole node: OSS test server, keeper, and a daemon under a supervisor that starts it again at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from benchmarks.model import write_files
from benchmarks.node.daemon import Daemon, DaemonSettings
from benchmarks.node.oss import OssProcess
from benchmarks.node.processes import Child, python
from benchmarks.node.scratch import scratch
from benchmarks.restarts.reader import Reading

FILES = 4
MIB = 1 << 20
READ_SECONDS = 600.0
"""A reader that takes longer is given up: it hangs."""


def digest_of(path: Path) -> str:
    """As readers make it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@dataclass
class Stage:
    """What a run plays on. Made by `staged`."""

    directory: Path
    server: OssProcess
    settings: DaemonSettings
    names: Sequence[str]
    """Of the model's files."""
    digests: Sequence[str]
    """Of each, in the same order."""
    daemon: Daemon = field(init=False)
    starts: int = 0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Start a daemon; does not wait for it."""
        self.daemon = Daemon(self.settings)
        self.daemon.__enter__()
        self.starts += 1

    def end(self, number: signal.Signals) -> None:
        """Send the daemon a signal and wait for its end."""
        self.daemon.process.send_signal(number)
        self.daemon.process.wait(READ_SECONDS)
        self.daemon.stop()

    def replace(self, number: signal.Signals) -> None:
        """End the daemon and start the next one at once, as a supervisor does."""
        self.end(number)
        self.start()

    def files(self, mount_id: str) -> list[Path]:
        """The model's files in a mount."""
        return [self.settings.directory / "mounts" / mount_id / name for name in self.names]

    @property
    def log(self) -> str:
        """All that the daemons have logged."""
        return self.daemon.log.read_text()


@dataclass
class Reader:
    """A reading process."""

    way: str
    process: subprocess.Popen[str]

    @classmethod
    def start(cls, way: str, files: Sequence[Path]) -> Self:
        """Begin to read."""
        command = [str(word) for word in python("benchmarks.restarts.reader", way, *files)]
        return cls(way, subprocess.Popen(command, stdout=subprocess.PIPE, text=True))

    def finish(self) -> Reading:
        """Wait for its end; one that ended in another way than by itself has failed in all it read."""
        try:
            output = self.process.communicate(timeout=READ_SECONDS)[0]
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return Reading(self.way, ["error: it hung"])
        if self.process.returncode != 0:
            return Reading(self.way, [f"error: ended with {self.process.returncode}"])
        return Reading(**json.loads(output))


@contextlib.contextmanager
def staged(size_bytes: int, *, seed: int, chunk_bytes: int) -> Iterator[Stage]:
    """Set everything up, with a daemon that is ready; nothing is left afterwards."""
    with scratch(4 * size_bytes, prefix="mows-restarts-") as where, contextlib.ExitStack() as stack:
        server = stack.enter_context(OssProcess(where / "oss"))
        socket = where / "keeper.sock"
        stack.enter_context(Child("keeper", python("mows.keeper", "--socket", socket), where))
        files = write_files(where / "model", FILES, size_bytes // FILES, seed=seed)
        server.wait_ready()
        _wait_for(socket)
        sections: dict[str, dict[str, object]] = {
            "cache": {"chunk_bytes": chunk_bytes},
            "daemon": {"keeper": str(socket)},
        }
        node = where / "node"
        settings = DaemonSettings(
            node,
            2 * size_bytes + 64 * MIB,
            server.origin(),
            sections=sections,
            # As it is installed: with bytecode, whatever this environment says. The first daemon writes it.
            environment={"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(where / "bytecode")},
        )
        names, digests = [path.name for path in files], [digest_of(path) for path in files]
        stage = Stage(where, server, settings, names, digests)
        try:
            stage.daemon.wait_ready()
            yield stage
        finally:
            stage.end(signal.SIGINT)  # unmounts, where SIGTERM would hand over


def _wait_for(socket: Path) -> None:
    while not socket.exists():
        time.sleep(0.01)


def drop_page_cache(files: Sequence[Path]) -> None:
    """Let the kernel forget what it has of these files: what is read next is asked of the daemon."""
    for path in files:
        fd = os.open(path, os.O_RDONLY)
        try:
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)
