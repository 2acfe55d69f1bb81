"""Read a mounted model as a program would, file after file: ``python -m benchmarks.scaleout.reader DIR``.

It says ``ready``, waits for a line on its standard input, reads everything, and answers with one line of JSON. A read
that fails is noted and the next file is read. `Reader` is the other side of it.
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import xxhash

from benchmarks.node.errors import NodeError
from benchmarks.node.processes import Child, python

BLOCK_BYTES = 1024 * 1024


class TooSlow(NodeError):
    """A run did not end in the time it was given, which is several times what it needs; the message says who."""


@dataclass(frozen=True, slots=True)
class Reading:
    """All files of one directory, read once."""

    seconds: float
    digests: Mapping[str, str]
    """File name to the xxh3-128 of what was read, in hex, of those that could be read to the end."""
    failures: Sequence[str]
    """File and error of each that could not."""

    def wrong(self, expected: Mapping[str, str]) -> list[str]:
        """Files that were not read as they are: wrong, missing, or too many."""
        return sorted(name for name in {*expected, *self.digests} if self.digests.get(name) != expected.get(name))


def read(directory: Path) -> Reading:
    """Read all files of `directory`, sorted by name."""
    began = time.monotonic()
    digests, failures = {}, []
    for path in sorted(directory.iterdir()):
        try:
            digests[path.name] = digest(path)
        except OSError as error:
            failures.append(f"{path.name}: {error}")
    return Reading(time.monotonic() - began, digests, failures)


def digest(path: Path) -> str:
    """The xxh3-128 of a file, in hex."""
    state, buffer = xxhash.xxh3_128(), memoryview(bytearray(BLOCK_BYTES))
    with open(path, "rb", buffering=0) as file:
        while count := file.readinto(buffer):
            state.update(buffer[:count])
    return state.hexdigest()


class Reader(Child):
    """A process that reads one directory once, when told to."""

    def __init__(self, name: str, directory: Path, log_directory: Path) -> None:
        command = python("benchmarks.scaleout.reader", directory)
        super().__init__(name, command, log_directory, piped=True, stop_seconds=1.0)
        self.began_seconds = 0.0
        """`time.monotonic` when it was told to start."""

    def wait_ready(self) -> None:
        """Block until it has imported all it needs."""
        self.hear()

    def start(self) -> None:
        """Let it begin; does not block."""
        self.began_seconds = time.monotonic()
        self.tell("go")

    def result(self, until_seconds: float) -> Reading:
        """Block until it is done, at most until `time.monotonic` is `until_seconds`: TooSlow."""
        left = max(0.0, until_seconds - time.monotonic())
        if not select.select([self.output], [], [], left)[0]:
            raise TooSlow(f"{self.name} has not read everything after {left:.0f} s")
        return Reading(**json.loads(self.hear()))


def main(directory: str) -> None:
    """Be the process that a `Reader` starts."""
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps(asdict(read(Path(directory)))), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
