"""Numbers as people read them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from cli.units import brief_text, count_text, duration_text, moment_text, rate_text, size_text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (5 << 50, "5.0 PiB"),
    ],
)
def test_sizes_are_binary(size_bytes: int, text: str) -> None:
    assert size_text(size_bytes) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0 B/s"), (999.96, "1.0 kB/s"), (1.25e9, "1.2 GB/s"), (3e15, "3000.0 TB/s")]
)
def test_rates_are_decimal(rate: float, text: str) -> None:
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (59.6, "1 min"),
        (75, "1 min 15 s"),
        (3600, "1 h"),
        (3661, "1 h 1 min"),
        (90061, "1 d 1 h"),
        (-3, "0 s"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 ms"), (0.0123, "12 ms"), (1.26, "1.3 s"), (9.9, "9.9 s"), (75, "1 min 15 s")]
)
def test_brief_durations(seconds: float, text: str) -> None:
    assert brief_text(seconds) == text


def test_moments_have_whole_seconds() -> None:
    assert moment_text(datetime(2026, 11, 23, 13, 30, 26, 967588, UTC)) == "2026-11-23T13:30:26Z"
    assert moment_text(datetime(2026, 11, 23, 13, 30, 26, 0, timezone(timedelta(hours=8)))) == "2026-11-23T05:30:26Z"


def test_one_is_singular() -> None:
    assert [count_text(count, "key") for count in (0, 1, 2)] == ["0 keys", "1 key", "2 keys"]
