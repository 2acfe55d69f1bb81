"""The work: readers that compare every file with what was stored, over and over, beside listings of a large prefix."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.scaleout.reader import digest as digest_of


def digests_of(files: Iterable[Path]) -> Mapping[str, str]:
    """The digest of each by its name, as readers see it."""
    return {path.name: digest_of(path) for path in files}


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
