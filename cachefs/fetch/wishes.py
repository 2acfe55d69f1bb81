"""What everybody wants of one origin now, in the tiers of the planner. Reads the state of the loop, changes nothing.

While the store refuses a blob, its chunks land in memory: spans of one chunk, and read-ahead only as far as that
carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from cachefs.fetch.file import CachedFile
from cachefs.fetch.live import LiveBlob
from cachefs.fetch.planner import Wish, span_length
from cachefs.fetch.readahead import Window, ahead, ahead_in_memory
from cachefs.fetch.settings import FetchSettings
from cachefs.fetch.span import Client
from cachefs.ports import PIECE_BYTES
from cachefs.types import Priority

SHARED_NEAR_CHUNKS = 2
"""Among peers only so many chunks after a reader are wanted in order: nodes that all fetch in the order in which they
read have nothing to give each other (DESIGN section 9, rules 1 and 2)."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What the length and the reach of spans depend on."""

    settings: FetchSettings
    slots: int
    """The origin's present limit."""
    memory_window_bytes: int
    """How far to read ahead into memory."""
    read_ahead: bool
    """Whether to fetch what nobody waits for yet."""
    shared: bool = False
    """Whether other nodes wait for what is fetched here: then every span is one chunk, so that it is soon theirs, and
    so that what one node has begun is not much when others join it."""


def tiers(lives: Sequence[LiveBlob], terms: Terms) -> list[list[Wish]]:
    """All wishes for the chunks of `lives` and of the files that follow them, the most urgent tier first."""
    files = [file for live in lives for file in live.files if file.open and terms.read_ahead and live.read_ahead]
    files = [file for file in files if file.followed or file.live.flights.startable()]
    return [
        reader_wishes(lives),
        warm_wishes(lives, Priority.READER, terms),
        *read_ahead_wishes(files, terms),
        *following_wishes(files, terms),
        warm_wishes(lives, Priority.READ_AHEAD, terms),
        warm_wishes(lives, Priority.PREWARM, terms),
    ]


def reader_wishes(lives: Iterable[LiveBlob]) -> list[Wish]:
    """One for every chunk that a parked read covers, the longest waiting first."""
    waiting = sorted(((read, live) for live in lives for read in live.lot.reads()), key=lambda pair: pair[0].parked_at)
    return [
        _wish(live, read.client, range(chunk, chunk + 1), Priority.READER, 1, ordered=True)
        for read, live in waiting
        for chunk in live.key.chunks_of(read.span)
    ]


def read_ahead_wishes(files: Iterable[CachedFile], terms: Terms) -> list[list[Wish]]:
    """A tier for what is near any reader, then one for the first further window of each file, and so on."""
    near: list[Wish] = []
    far: list[list[Wish]] = []
    for file in files:
        windows = list(_windows(file, terms))
        near += [_read_ahead(file, file.live, window.chunks, 1, ordered=True) for window in windows if window.near]
        most_chunks = _length(file.live, terms)
        far.append([_read_ahead(file, file.live, w.chunks, most_chunks) for w in windows if not w.near])
    return [near, *([wish for wish in tier if wish] for tier in zip_longest(*far))]


def following_wishes(files: Iterable[CachedFile], terms: Terms) -> list[list[Wish]]:
    """A tier for the first of the following files of each open file, one for the second, and so on."""
    wishes = [
        [
            _read_ahead(file, followed.live, followed.head, _length(followed.live, terms))
            for followed in file.followed
            if not followed.live.bypassed and file.live.window_bytes is None and followed.live.window_bytes is None
        ]
        for file in files
    ]
    return [[wish for wish in tier if wish] for tier in zip_longest(*wishes)]


def warm_wishes(lives: Iterable[LiveBlob], priority: Priority, terms: Terms) -> list[Wish]:
    """One for every warm-up of this priority."""
    return [
        _wish(live, warm.client, range(live.key.chunk_count), priority, _length(live, terms))
        for live in lives
        for warm in live.warms
        if warm.priority is priority and not warm.over
    ]


def _windows(file: CachedFile, terms: Terms) -> Iterable[Window]:
    key, most_bytes = file.live.key, terms.settings.read_ahead_bytes
    if file.live.bypassed:
        return ahead_in_memory(file.pattern, key, min(most_bytes, terms.memory_window_bytes))
    if file.spent:
        return ()
    if file.live.window_bytes is not None:
        return ahead_in_memory(file.pattern, key, min(most_bytes, file.live.window_bytes))
    near_chunks = SHARED_NEAR_CHUNKS if terms.shared else terms.slots
    return ahead(file.pattern, key, weights=file.weights, near_chunks=near_chunks, most_bytes=most_bytes)


def _read_ahead(file: CachedFile, live: LiveBlob, chunks: range, most_chunks: int, *, ordered: bool = False) -> Wish:
    return _wish(live, file.client, chunks, Priority.READ_AHEAD, most_chunks, ordered=ordered)


def _wish(
    live: LiveBlob, client: Client, chunks: range, priority: Priority, most_chunks: int, *, ordered: bool = False
) -> Wish:
    """To memory goes one chunk at a time, which is held whole; to the store a span, of which one piece is held."""
    chunk_bytes = live.key.chunk_bytes
    if live.bypassed:
        return Wish(live.blob_id, chunks, priority, 1, chunk_bytes, client, ordered)
    cost_bytes = min(PIECE_BYTES, most_chunks * chunk_bytes)
    return Wish(live.blob_id, chunks, priority, most_chunks, cost_bytes, client, ordered)


def _length(live: LiveBlob, terms: Terms) -> int:
    if terms.shared:
        return 1
    return span_length(live.key.chunk_bytes, terms.settings.span_bytes, live.flights.startable(), terms.slots)
