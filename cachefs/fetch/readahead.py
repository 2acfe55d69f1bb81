"""What will be read next, guessed from the reads so far. Pure.

Two kinds of files, two guesses:

- a **weight file** (by its name) that was read beyond its header will be read whole, in whatever order: tensor by
tensor
  through `mmap` faults, by several ranks at several places, or from front to back. So everything missing is wanted:
  what follows each reader's position first, then the rest of the file, then the files an engine reads after this one.
- **any other file** is read ahead only while it is read in sequence, and the longer it was, the further ahead; random
  reads of a big database bring in the chunks they touch and nothing else.

All who read one file come through one handle, so reads are told apart by where they are: a read near the position of a
stream continues it, any other one begins a stream of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from cachefs.types import BlobKey

WEIGHT_SUFFIXES = frozenset({".safetensors", ".gguf", ".bin", ".pt", ".pth"})

SLACK_BYTES = 4 << 20
"""Reads of one sequential reader arrive out of order by so much: the kernel keeps several 1 MiB requests in flight."""

MOST_STREAMS = 16
"""Readers of one file that are told apart: 8 ranks, and as many strays."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Reads that continue each other."""

    position: int
    """Where the next one is expected."""
    reads: int
    run_bytes: int
    """How far they went forward."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What the reads of one file looked like so far."""

    streams: tuple[Stream, ...] = ()
    """The one that read last comes first."""
    beyond_header: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """Chunks that will probably be wanted; `near` ones so soon that each should come over its own connection."""

    chunks: range
    near: bool


def is_weight_file(key: str) -> bool:
    """Whether the name says that this file is read whole once it is read at all."""
    return PurePosixPath(key).suffix.lower() in WEIGHT_SUFFIXES


def observe(pattern: Pattern, start: int, stop: int, header_bytes: int) -> Pattern:
    """The pattern after a read of ``[start, stop)``."""
    beyond = pattern.beyond_header or stop > header_bytes
    for index, stream in enumerate(pattern.streams):
        if abs(start - stream.position) <= SLACK_BYTES:
            others = pattern.streams[:index] + pattern.streams[index + 1 :]
            return Pattern((_continued(stream, stop), *others), beyond)
    return Pattern((Stream(stop, 1, stop - start), *pattern.streams[: MOST_STREAMS - 1]), beyond)


def ahead(pattern: Pattern, key: BlobKey, *, weights: bool, near_chunks: int, most_bytes: int) -> Iterator[Window]:
    """Windows of this file in the order they should be fetched; they may overlap, and cover what is there already.

    `near_chunks` is how many chunks after all positions together count as near. `most_bytes` bounds the window of a
    sequential reader of any other than a weight file.
    """
    if not weights:
        yield from _sequential(pattern, key, most_bytes)
    elif pattern.beyond_header:
        yield from _whole(pattern, key, near_chunks)


def ahead_in_memory(pattern: Pattern, key: BlobKey, most_bytes: int) -> Iterator[Window]:
    """As `ahead`, where chunks land in a small memory, or in a tier that is too small for the blob.

    Only what is needed next, whatever the file. All streams together get `most_bytes`.
    """
    yield from _sequential(pattern, key, most_bytes // max(1, len(pattern.streams)))


def shares(sizes: Sequence[int], most_bytes: int) -> list[int]:
    """How many bytes of the head of each following file to read ahead, so that all are at most `most_bytes`."""
    given = []
    for size in sizes:
        given.append(min(size, most_bytes))
        most_bytes -= given[-1]
    return given


def _continued(stream: Stream, stop: int) -> Stream:
    forward = max(0, stop - stream.position)
    return Stream(stream.position + forward, stream.reads + 1, stream.run_bytes + forward)


def _sequential(pattern: Pattern, key: BlobKey, most_bytes: int) -> Iterator[Window]:
    for stream in pattern.streams:
        if stream.reads >= 2:
            yield _window(key, stream.position, stream.position + min(most_bytes, 2 * stream.run_bytes))


def _whole(pattern: Pattern, key: BlobKey, near_chunks: int) -> Iterator[Window]:
    heres = [min(stream.position // key.chunk_bytes, key.chunk_count) for stream in pattern.streams] or [0]
    each = max(2, near_chunks // len(heres))
    for here in heres:
        yield Window(range(here, min(here + each, key.chunk_count)), near=True)
    yield Window(range(heres[0], key.chunk_count), near=False)
    yield Window(range(heres[0]), near=False)


def _window(key: BlobKey, start: int, stop: int) -> Window:
    first = start // key.chunk_bytes
    last = min(-(-stop // key.chunk_bytes), key.chunk_count)
    return Window(range(first, max(first, last)), near=True)
