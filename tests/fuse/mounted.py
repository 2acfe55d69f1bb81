"""Mount a file system for a test, and check that nothing is left of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cachefs.fuse import FuseMount, MountOptions, is_mounted
from cachefs.ports import FileSystem

PATIENCE_SECONDS = 60.0
_OURS = ("/dev/fuse", "anon_inode:[eventfd]", "anon_inode:[eventpoll]")


@contextmanager
def mounted(fs: FileSystem, target: Path, options: MountOptions | None = None) -> Iterator[FuseMount]:
    """`fs` on `target`; unmounted at the end, with a check for threads, descriptors and mounts that stay behind."""
    before = footprint()
    mount = FuseMount(fs, target, options or MountOptions())
    mount.start()
    try:
        yield mount
    finally:
        mount.stop(timeout_seconds=PATIENCE_SECONDS)
    assert not is_mounted(target)
    assert footprint() == before


def footprint() -> tuple[frozenset[str], Counter[str]]:
    """Names of our threads, and what our descriptors point to."""
    threads = frozenset(thread.name for thread in threading.enumerate() if thread.name.startswith("fuse-"))
    links = (_link(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
    return threads, Counter(link for link in links if link in _OURS)


def child(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A Python program beside this one.

    Whatever maps a file of the mount must be another process: a page fault keeps the GIL that device threads need.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run(*command: object) -> subprocess.CompletedProcess[bytes]:
    """A program of the user's. Must end with 0."""
    return subprocess.run([str(word) for word in command], capture_output=True, check=True, timeout=PATIENCE_SECONDS)


def python(code: str, *arguments: object) -> str:
    """The output of a Python program, which must end with 0."""
    return run(sys.executable, "-c", code, *arguments).stdout.decode()


def line_of(process: subprocess.Popen[str]) -> str:
    """The next line a child prints."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        raise AssertionError(process.stderr.read())
    return line.strip()


def tell(process: subprocess.Popen[str], line: str = "") -> None:
    """Send a line to a child."""
    assert process.stdin is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Close the child's input, wait; its exit status, and what it still printed to either stream."""
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out + err


def _link(path: str) -> str:
    try:
        return str(Path(path).readlink())
    except FileNotFoundError:
        return ""  # the descriptor of the listing itself
