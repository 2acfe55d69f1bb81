"""The work: readers that compare every file with what was stored, over and over, beside listings of a large prefix."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import xxhash

from benchmarks.scaleout.reader import digest as digest_of

SAMPLE_SECONDS = 0.1


def write_files(directory: Path, count: int, size_bytes: int) -> Mapping[str, str]:
    """Random files, and the digest of each by its name."""
    directory.mkdir(parents=True)
    digests = {}
    for number in range(count):
        name, data = f"model-{number:05d}.safetensors", random.Random(number).randbytes(size_bytes)
        (directory / name).write_bytes(data)
        digests[name] = xxhash.xxh3_128_hexdigest(data)
    return digests


def write_names(directory: Path, count: int) -> None:
    """Many small files, a thousand in a directory."""
    for number in range(count):
        path = directory / f"part-{number // 1000:04d}" / f"{number:08d}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}")


def read_all(directory: Path, digests: Mapping[str, str], readers: int) -> Sequence[str]:
    """Each reader reads every file once, in an order of its own. What was wrong; empty if nothing was."""
    with ThreadPoolExecutor(readers) as pool:
        wrong = pool.map(lambda reader: _read_each(directory, digests, reader), range(readers))
        return [line for lines in wrong for line in lines]


def count_files(directory: Path) -> int:
    """Files below `directory`, by walking it."""
    return sum(len(files) for _, _, files in os.walk(directory))


class Highest:
    """The highest value seen."""

    def __init__(self) -> None:
        self.value = 0

    def see(self, value: int) -> None:
        """Look at one more."""
        self.value = max(self.value, value)


@contextmanager
def sampled(measure: Callable[[], int]) -> Iterator[Highest]:
    """The highest of what `measure()` answers while the block runs."""
    highest, stop = Highest(), threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_SECONDS):
            highest.see(measure())

    thread = threading.Thread(target=sample, name="budget samples")
    thread.start()
    try:
        yield highest
    finally:
        stop.set()
        thread.join()
        highest.see(measure())


def _read_each(directory: Path, digests: Mapping[str, str], reader: int) -> list[str]:
    names = sorted(digests)
    random.Random(reader).shuffle(names)
    return [f"reader {reader}: {name}: {what}" for name in names if (what := _wrong(directory / name, digests[name]))]


def _wrong(path: Path, digest: str) -> str:
    """What is wrong with a file; empty if nothing is."""
    try:
        found = digest_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if found == digest else "wrong bytes"
