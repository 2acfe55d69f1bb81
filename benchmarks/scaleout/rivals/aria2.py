"""The way without peers: every node downloads the model from the origin by itself, with aria2.

The bucket is read without signatures, which costs aria2 nothing. 16 connections to a file and one MiB as the smallest
piece are the most aria2 allows; `--max-concurrent-downloads` is two files at a time: through a limited link more only
divide the same rate further. Files are not allocated beforehand, since they lie in memory.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from subprocess import TimeoutExpired
from urllib.parse import quote, urljoin

from benchmarks.lab.place import Place
from benchmarks.local.rivals import tool
from benchmarks.node.processes import Child
from benchmarks.scaleout.reader import TooSlow
from benchmarks.scaleout.rivals.course import Course, Run, check, digests
from benchmarks.scaleout.rivals.cpu import children_cpu_seconds

NAME = "aria2"
FILES_AT_ONCE = 2
OPTIONS = ("-x16", "-s16", "-k1M", f"-j{FILES_AT_ONCE}", "--file-allocation=none", "--console-log-level=warn")


def download(course: Course) -> Run:
    """All nodes at once. ChildFailed when one of them fails, TooSlow, WrongBytes; ToolMissing without aria2."""
    expected = digests(course.model)
    homes = {place: course.home(NAME, place) for place in course.nodes}
    sent_before, cpu_before = course.http_sent_bytes(), children_cpu_seconds()
    finish_seconds = _race(course, {place: command(course, place, home) for place, home in homes.items()})
    origin_bytes = course.http_sent_bytes() - sent_before
    for home in homes.values():
        check(NAME, expected, home / "model")
    return Run(NAME, finish_seconds, origin_bytes, children_cpu_seconds() - cpu_before)


def command(course: Course, place: Place, home: Path) -> list[str | Path]:
    """The command line of one node; writes its list of files into `home`."""
    listed = home / "files.txt"
    listed.write_text(input_file(course))
    words: list[str | Path] = [tool("aria2c"), "--no-conf", *OPTIONS, "--summary-interval=0"]
    return place.command([*words, f"--input-file={listed}", f"--dir={home / 'model'}"])


def input_file(course: Course) -> str:
    """All files of the model in aria2's format: a URL, and on the line below it where the file goes."""
    names = [path.relative_to(course.model).as_posix() for path in _largest_first(course.model)]
    return "".join(f"{urljoin(course.url, quote(name))}\n  out={name}\n" for name in names)


def _largest_first(model: Path) -> list[Path]:
    files = (path for path in model.rglob("*") if path.is_file())
    return sorted(files, key=lambda path: (-path.stat().st_size, path.name))


def _race(course: Course, commands: dict[Place, list[str | Path]]) -> dict[str, float]:
    with ExitStack() as running, ThreadPoolExecutor(len(commands)) as waiting:
        began = time.monotonic()
        children = {
            place: running.enter_context(Child(f"{NAME}-{place.name}", words, course.directory))
            for place, words in commands.items()
        }
        ended = {place: waiting.submit(_ended, child, course.deadline_seconds) for place, child in children.items()}
        return {place.name: at.result() - began for place, at in ended.items()}


def _ended(child: Child, timeout_seconds: float) -> float:
    """Block until the child ends well; when that was."""
    try:
        status = child.process.wait(timeout_seconds)
    except TimeoutExpired:
        raise TooSlow(f"{child.name} did not end within {timeout_seconds:g} s") from None
    if status != 0:
        raise child.failure("failed")
    return time.monotonic()
