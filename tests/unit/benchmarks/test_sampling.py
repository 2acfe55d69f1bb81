"""What is sampled while a block runs."""

from __future__ import annotations

import threading

import pytest

from benchmarks.node.sampling import sampled

LONG_SECONDS = 3600.0


def test_the_first_look_is_at_the_start_and_the_last_at_the_end() -> None:
    values = [5]
    with sampled(lambda: values[0], LONG_SECONDS) as samples:
        assert samples == [5]
        values[0] = 7
    assert samples == [5, 7]


def test_it_looks_again_and_again_in_between() -> None:
    looks, third = 0, threading.Event()

    def look() -> int:
        nonlocal looks
        looks += 1
        if looks == 3:
            third.set()
        return looks

    with sampled(look, 0.001) as samples:
        third.wait()
    assert samples == list(range(1, looks + 1))


def test_a_block_that_fails_ends_the_looking() -> None:
    with pytest.raises(ValueError, match="no"), sampled(lambda: 1, LONG_SECONDS) as samples:
        raise ValueError("no")
    assert samples == [1]
