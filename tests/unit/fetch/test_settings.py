"""Settings refuse what could not work."""

from __future__ import annotations

import pytest

from cachefs.fetch import FetchSettings


def test_defaults_are_consistent() -> None:
    FetchSettings().check_chunk_bytes(8 << 20)


def test_start_above_the_maximum_is_refused() -> None:
    with pytest.raises(ValueError, match="initial_concurrency=65"):
        FetchSettings(initial_concurrency=65)


@pytest.mark.parametrize("name", ["memory_bytes", "span_bytes", "read_deadline_seconds", "attempt_seconds"])
def test_nothing_and_less_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0 is not positive"):
        FetchSettings(**{name: 0})


def test_memory_below_four_chunks_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than four chunks of 8388608 bytes"):
        FetchSettings(memory_bytes=(32 << 20) - 1).check_chunk_bytes(8 << 20)
