"""Child processes that cannot be left behind, and that say why when they fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from benchmarks.node.errors import NodeError

POLL_SECONDS = 0.02
LAST_LINES = 20
REPOSITORY = Path(__file__).parents[2]


class ChildFailed(NodeError):
    """A child ended too soon or did not get ready; the message ends with the last lines it wrote."""


class Child:
    """One process in a process group of its own, so that Ctrl-C in the terminal reaches only its owner.

    Standard error goes to ``<log directory>/<name>.log``, and so does standard output unless `piped`, where both ends
    are text streams. Leaving the context sends SIGTERM, and SIGKILL to the whole group after `stop_seconds`. When it is
    left by an error, the end of the log goes to our own standard error, since the log itself is about to be removed.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log_directory: Path,
        *,
        piped: bool = False,
        stop_seconds: float = 20.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log_directory / f"{name}.log"
        self._command = [str(word) for word in command]
        self._piped = piped
        self._stop_seconds = stop_seconds
        self._environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})}
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        with open(self.log, "ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE if self._piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._piped else log,
                stderr=log,
                text=True,
                env=self._environment,
                process_group=0,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        # A NodeError quotes what it needs, and a child that wrote nothing has nothing to explain.
        if isinstance(error, Exception) and not isinstance(error, NodeError) and self._last_lines():
            print(f"{type(error).__name__}: {error}; {self.name} wrote:\n{self._last_lines()}", file=sys.stderr)

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process; only after it was started."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    @property
    def output(self) -> IO[str]:
        """Its standard output; only if `piped`."""
        assert self.process.stdout is not None
        return self.process.stdout

    def tell(self, line: str) -> None:
        """Write one line to its standard input; only if `piped`."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Block for one line of its standard output. ChildFailed when it ended instead."""
        line = self.output.readline()
        if not line:
            self.process.wait()
            raise self.failure("ended without an answer")
        return line.rstrip("\n")

    def wait_until(self, ready: Callable[[], bool], *, timeout_seconds: float) -> None:
        """Block until `ready` answers True. ChildFailed when the process ends or the time runs out first."""
        give_up = time.monotonic() + timeout_seconds
        while not ready():
            if self.process.poll() is not None:
                raise self.failure("ended before it was ready")
            if time.monotonic() > give_up:
                raise self.failure(f"was not ready within {timeout_seconds:g} s")
            time.sleep(POLL_SECONDS)

    def failure(self, what: str) -> ChildFailed:
        """An error that names the process, its exit status if any, and the end of its log."""
        status = self.process.poll()
        ended = "" if status is None else f" (exit status {status})"
        return ChildFailed(f"{self.name} {what}{ended}; it wrote:\n{self._last_lines()}")

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def kill(self) -> None:
        """SIGKILL to the group, as a crash would end it; returns when the process is gone."""
        if self.process.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self) -> None:
        """SIGTERM, then SIGKILL to the group; returns when the process is gone. Idempotent."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(self._stop_seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def python(module: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs `module` with this interpreter."""
    return [sys.executable, "-m", module, *arguments]
