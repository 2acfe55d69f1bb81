"""What will be read next: sequential reads, page faults on weights, random reads of something else."""

from __future__ import annotations

import pytest

from cachefs.fetch.readahead import (
    MOST_STREAMS,
    SLACK_BYTES,
    Pattern,
    Window,
    ahead,
    ahead_in_memory,
    is_weight_file,
    observe,
    shares,
)
from cachefs.types import BlobKey

MIB = 1 << 20
CHUNK = 8 * MIB
KEY = BlobKey("oss://b/k", "1", 800 * MIB, CHUNK)
HEADER = 4 * MIB


def pattern_of(*offsets: int, size: int = MIB) -> Pattern:
    pattern = Pattern()
    for offset in offsets:
        pattern = observe(pattern, offset, offset + size, HEADER)
    return pattern


def windows(pattern: Pattern, *, weights: bool, near: int = 8, most: int = 256 * MIB) -> list[Window]:
    return list(ahead(pattern, KEY, weights=weights, near_chunks=near, most_bytes=most))


@pytest.mark.parametrize("key", ["a/model-00001-of-00004.safetensors", "M.GGUF", "pytorch_model.bin", "x.pt", "x.pth"])
def test_weights_by_their_names(key: str) -> None:
    assert is_weight_file(key)


@pytest.mark.parametrize("key", ["config.json", "safetensors", "tokenizer.model", "a.safetensors/x", "train.db"])
def test_other_files_by_their_names(key: str) -> None:
    assert not is_weight_file(key)


def test_a_look_at_the_header_of_weights_starts_nothing() -> None:
    assert windows(pattern_of(0, MIB), weights=True) == []


def test_weights_touched_beyond_the_header_are_wanted_whole() -> None:
    near, rest, before = windows(pattern_of(0, 400 * MIB), weights=True)[-3:]
    here = 401 * MIB // CHUNK
    assert rest == Window(range(here, 100), near=False)
    assert before == Window(range(here), near=False)
    assert near.near


def test_every_chunk_of_weights_is_in_some_window() -> None:
    pattern = pattern_of(300 * MIB, 20 * MIB, 700 * MIB)
    assert {chunk for window in windows(pattern, weights=True) for chunk in window.chunks} == set(range(100))


def test_each_reader_of_one_file_gets_its_own_near_window() -> None:
    starts = [0, 200 * MIB, 400 * MIB, 600 * MIB]
    pattern = pattern_of(*[start + step * MIB for step in range(16) for start in starts])
    near = [window.chunks for window in windows(pattern, weights=True) if window.near]
    assert sorted(chunks.start for chunks in near) == [(start + 16 * MIB) // CHUNK for start in starts]
    assert all(len(chunks) == 2 for chunks in near), "eight slots for four readers"


def test_readers_beyond_the_number_told_apart_do_not_pile_up() -> None:
    pattern = pattern_of(*range(0, 800 * MIB, 20 * MIB))
    assert len(pattern.streams) == MOST_STREAMS


def test_a_sequential_reader_of_any_file_is_read_ahead_the_further_the_longer_it_went_on() -> None:
    def reach(reads: int) -> int:
        return sum(
            len(window.chunks) for window in windows(pattern_of(*[i * MIB for i in range(reads)]), weights=False)
        )

    assert reach(1) == 0
    assert reach(2) == 1
    assert reach(8) == 2
    assert reach(64) == 16
    assert reach(256) == 32, "no further than the setting"


def test_requests_that_overtake_each_other_are_still_sequential() -> None:
    pattern = pattern_of(0, 2 * MIB, MIB, 3 * MIB, 5 * MIB, 4 * MIB)
    (stream,) = pattern.streams
    assert stream.position == 6 * MIB
    assert stream.run_bytes == 6 * MIB


def test_random_reads_of_another_file_bring_in_nothing_else() -> None:
    offsets = [i * 7919 * 4096 % (700 * MIB) // (2 * SLACK_BYTES) * (3 * SLACK_BYTES) for i in range(60)]
    assert len(set(offsets)) > 30
    unseen = [offset for i, offset in enumerate(offsets) if offset not in offsets[:i]]
    pattern = pattern_of(*unseen[:MOST_STREAMS], size=4096)
    assert windows(pattern, weights=False) == []


def test_a_window_ends_with_the_file() -> None:
    pattern = pattern_of(*range(780 * MIB, 800 * MIB, MIB))
    assert [window.chunks for window in windows(pattern, weights=False)] == [range(100, 100)]


def test_in_memory_all_streams_share_the_window() -> None:
    starts = [0, 400 * MIB]
    pattern = pattern_of(*[start + step * MIB for step in range(64) for start in starts])
    found = list(ahead_in_memory(pattern, KEY, 64 * MIB))
    assert sorted((window.chunks.start, len(window.chunks)) for window in found) == [(8, 4), (58, 4)]


def test_the_heads_of_following_files_are_bounded_together() -> None:
    assert shares([10, 20, 30, 40], 45) == [10, 20, 15, 0]
    assert shares([], 45) == []
