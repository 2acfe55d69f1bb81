"""A program that reads a mount until it is told to finish, checks every byte, and notes what it should not have seen.

``python -m benchmarks.chaos.reader SETTINGS`` with `ReaderSettings` as JSON. It says ``ready``, and begins after a line
on its standard input. Another line, the versions that are the newest now, makes it read everything once more; then it
answers with a `Summary`. Troubles go to a file as they come, so that they are there whatever becomes of the process.
"""

from __future__ import annotations

import errno
import json
import random
import select
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from benchmarks.chaos.access import WAYS, Access, Range, forwards
from benchmarks.chaos.content import HEADER_BYTES, Content, version_of

STALL_SECONDS = 1.0
"""Calls that take longer are noted."""
REST_SECONDS = 0.1
"""After a failure; nobody asks again at once for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSettings:
    """Who reads what, and how."""

    name: str
    node: int
    way: str
    """One of `access.WAYS`."""
    directory: str
    objects: Mapping[str, int]
    """Name to `base_bytes` of all objects."""
    bytes_per_second: float
    """About the most it reads."""
    seed: int
    troubles: str
    """The file for `Trouble`, one JSON object a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that a reader should not have seen. Moments are of the monotonic clock, the same in all processes."""

    kind: str
    """``error``: a call failed; ``wrong``: a byte, a size or a version is not what it must be; ``stall``: a call took
    long, whatever came of it."""
    what: str
    """The errno's name, what is wrong, or how long it took."""
    reader: str
    node: int
    call: str
    name: str
    version: int | None
    """None: not known yet."""
    offset: int
    opened: float
    began: float
    ended: float


@dataclass(slots=True)
class Summary:
    """What one reader did."""

    reads: int = 0
    bytes: int = 0
    opens: int = 0
    errors: int = 0
    wrong: int = 0
    longest_seconds: float = 0.0
    passed: bool = False
    """Whether the last pass went through without trouble."""


@dataclass(slots=True)
class _Visit:
    """One open file, from open to close."""

    name: str
    opened: float
    content: Content | None = None


class ReadFailed(Exception):
    """This visit is over; the trouble was noted."""


class Reader:
    """Reads one mount. `passing` is called with the bytes of each read, and lets time pass."""

    def __init__(self, settings: ReaderSettings, troubles: IO[str], passing: Callable[[int], None]) -> None:
        self.summary = Summary()
        self._settings = settings
        self._troubles = troubles
        self._passing = passing
        self._way = WAYS[settings.way]
        self._chance = random.Random(settings.seed)
        self._seen = dict.fromkeys(settings.objects, 0)

    def visit(self) -> None:
        """Open one of the objects, read from it as this kind of reader does, close it."""
        self._visit(self._chance.choice(sorted(self._settings.objects)), self._way.ranges, least_version=0)

    def pass_over(self, versions: Mapping[str, int]) -> None:
        """Read everything once, as fast as it comes; nothing may be wrong, and nothing older than `versions`."""
        self._passing = _at_once
        before = (self.summary.errors, self.summary.wrong)
        for name, version in sorted(versions.items()):
            self._visit(name, forwards, least_version=version)
        self.summary.passed = before == (self.summary.errors, self.summary.wrong)

    def _visit(self, name: str, ranges: Callable[[int, random.Random], Iterator[Range]], *, least_version: int) -> None:
        visit = _Visit(name, time.monotonic())
        path = f"{self._settings.directory}/{name}"
        try:
            with self._noting("open", visit, 0):
                access = self._way.access(path)
            self.summary.opens += 1
            with closing(access):
                content = self._identify(access, visit, least_version)
                for offset, count in ranges(content.size_bytes, self._chance):
                    self._check(access, visit, content, offset, count)
        except ReadFailed:
            time.sleep(REST_SECONDS)

    def _identify(self, access: Access, visit: _Visit, least_version: int) -> Content:
        """Which version was opened: never an older one than before."""
        start = self._read(access, visit, 0, HEADER_BYTES)
        version = version_of(visit.name, start)
        if version is None:
            raise self._wrong(visit, 0, f"no version of this object begins with {start.hex()}")
        visit.content = Content(visit.name, self._settings.objects[visit.name], version)
        least = max(least_version, self._seen[visit.name])
        if version < least:
            raise self._wrong(visit, 0, f"version {version} after version {least}")
        if access.size_bytes != visit.content.size_bytes:
            raise self._wrong(visit, 0, f"{access.size_bytes} bytes, not {visit.content.size_bytes}")
        self._seen[visit.name] = version
        return visit.content

    def _check(self, access: Access, visit: _Visit, content: Content, offset: int, count: int) -> None:
        data = self._read(access, visit, offset, count)
        self._passing(len(data))
        if difference := content.difference(offset, data, count):
            raise self._wrong(visit, difference.offset, difference.looks_like)

    def _read(self, access: Access, visit: _Visit, offset: int, count: int) -> bytes:
        with self._noting("read", visit, offset):
            data = access.read(offset, count)
        self.summary.reads += 1
        self.summary.bytes += len(data)
        return data

    @contextmanager
    def _noting(self, call: str, visit: _Visit, offset: int) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        except OSError as error:
            self.summary.errors += 1
            what = errno.errorcode.get(error.errno or 0, str(error))
            self._note("error", what, call, visit, offset, began)
            raise ReadFailed from error
        finally:
            took = time.monotonic() - began
            self.summary.longest_seconds = max(self.summary.longest_seconds, took)
            if took > STALL_SECONDS:
                self._note("stall", f"{took:.2f} s", call, visit, offset, began)

    def _wrong(self, visit: _Visit, offset: int, what: str) -> ReadFailed:
        self.summary.wrong += 1
        self._note("wrong", what, "read", visit, offset, time.monotonic())
        return ReadFailed()

    def _note(self, kind: str, what: str, call: str, visit: _Visit, offset: int, began: float) -> None:
        trouble = Trouble(
            kind=kind,
            what=what,
            reader=self._settings.name,
            node=self._settings.node,
            call=call,
            name=visit.name,
            version=visit.content.version if visit.content else None,
            offset=offset,
            opened=visit.opened,
            began=began,
            ended=time.monotonic(),
        )
        self._troubles.write(json.dumps(asdict(trouble)) + "\n")
        self._troubles.flush()


def _at_once(_size_bytes: int) -> None:
    """Without a pause."""


@dataclass(slots=True)
class Pace:
    """Keeps a reader at its rate, on the average since the last pause."""

    bytes_per_second: float
    _due: float = field(default_factory=time.monotonic)

    def __call__(self, size_bytes: int) -> None:
        """Sleep off what was read."""
        self._due = max(self._due + size_bytes / self.bytes_per_second, time.monotonic())
        time.sleep(max(0.0, self._due - time.monotonic()))


def main(text: str) -> None:
    """Be the process."""
    settings = ReaderSettings(**json.loads(text))
    with Path(settings.troubles).open("a") as troubles:
        reader = Reader(settings, troubles, Pace(settings.bytes_per_second))
        print("ready", flush=True)
        sys.stdin.readline()
        while not select.select([sys.stdin], [], [], 0)[0]:
            reader.visit()
        reader.pass_over(json.loads(sys.stdin.readline()))
    print(json.dumps(asdict(reader.summary)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
