"""A keeper, and daemons (`tests.fuse.successive`) that follow one another on one mount."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuse.daemon_process import unmount_below
from tests.fuse.mounted import PATIENCE_SECONDS, line_of, tell

Child = subprocess.Popen[str]


@dataclass
class Succession:
    """Everything lies below `path`; a file of the mount is ``succession.mount / name``."""

    path: Path
    options: tuple[str, ...] = ()
    """Of every daemon."""
    children: list[Child] = field(default_factory=list)

    @property
    def mount(self) -> Path:
        return self.path / "mount"

    @property
    def source(self) -> Path:
        return self.path / "source"

    @property
    def socket(self) -> Path:
        return self.path / "keeper.sock"

    @property
    def journal(self) -> Path:
        return self.path / "opens"

    def keeper(self, *options: str) -> Child:
        """Start a keeper and wait until it answers."""
        child = self._start("-m", "mows.keeper", "--socket", self.socket, *options)
        assert child.stderr is not None
        while (line := child.stderr.readline()) and "holds descriptors" not in line:
            pass
        assert line
        return child

    def daemon(self, *options: str) -> Child:
        """Start a daemon and wait until it serves."""
        words = self.socket, self.source, self.mount, self.journal, *self.options, *options
        child = self._start("-m", "tests.fuse.successive", *words)
        assert line_of(child) == "serving"
        return child

    def ask(self, daemon: Child, question: str) -> str:
        """Tell `daemon` something; what it says, if it says anything."""
        tell(daemon, question)
        said = ""
        while (line := line_of(daemon)) != "done":
            said = line
        return said

    def kill(self, child: Child) -> None:
        """Kill -9."""
        child.kill()
        child.communicate(timeout=PATIENCE_SECONDS)

    def end(self, daemon: Child) -> str:
        """Unmount and end; what the daemon wrote to its log."""
        self.ask(daemon, "stop")
        log: str = daemon.communicate(timeout=PATIENCE_SECONDS)[1]
        assert daemon.returncode == 0, log
        return log

    def _start(self, *words: object) -> Child:
        pipe = subprocess.PIPE
        command = [sys.executable, *map(str, words)]
        child = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        self.children.append(child)
        return child


@contextlib.contextmanager
def succession(path: Path, *options: str) -> Iterator[Succession]:
    """An empty source; no keeper and no daemon yet. Whatever runs at the end is killed."""
    made = Succession(path, options)
    made.source.mkdir()
    try:
        yield made
    finally:
        for child in made.children:
            child.kill()
            child.communicate()
        unmount_below(path)
