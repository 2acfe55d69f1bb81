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


@pytest.mark.parametrize(("chunk_mib", "least_mib"), [(8, 32), (1, 8)])
def test_memory_below_four_chunks_or_pieces_is_refused(chunk_mib: int, least_mib: int) -> None:
    least = least_mib << 20
    FetchSettings(memory_bytes=least).check_chunk_bytes(chunk_mib << 20)
    with pytest.raises(ValueError, match=f"too little for chunks of {chunk_mib << 20} bytes: give {least}"):
        FetchSettings(memory_bytes=least - 1).check_chunk_bytes(chunk_mib << 20)
