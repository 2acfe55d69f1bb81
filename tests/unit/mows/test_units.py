"""Sizes, durations and addresses as people write them."""

from __future__ import annotations

import pytest

from mows.units import (
    Address,
    format_bytes,
    format_seconds,
    is_loopback,
    parse_address,
    parse_bytes,
    parse_seconds,
    split_address,
)


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        (0, 0),
        (4096, 4096),
        ("123", 123),
        ("8MiB", 8 << 20),
        ("1.5 GiB", 3 << 29),
        ("1TB", 10**12),
        ("7B", 7),
        ("2KB", 2000),
    ],
)
def test_sizes(text: object, size_bytes: int) -> None:
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize("text", ["8 Gibs", "8mib", "-1", -1, True, 1.5, None, "", "MiB", "8MiB8"])
def test_not_a_size(text: object) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(0, 0), (2.5, 2.5), ("90", 90), ("500ms", 0.5), ("2h", 7200), ("1h30m", 5400), ("1h 30m", 5400)],
)
def test_durations(text: object, seconds: float) -> None:
    assert parse_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["2 hours", "h", -1, True, None, float("inf"), float("nan"), "1h-5m", ""])
def test_not_a_duration(text: object) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["127.0.0.1:9301", "[::1]:9301", "node-a:1"])
def test_addresses(text: str) -> None:
    assert parse_address(text) == text


@pytest.mark.parametrize("text", ["127.0.0.1", ":9301", "host:", "host:70000", "::1:9301", 9301, None])
def test_not_an_address(text: object) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        parse_address(text)


@pytest.mark.parametrize("port", [8080, 9090])
def test_ports_of_the_platform_are_refused(port: int) -> None:
    with pytest.raises(ValueError, match=f"port {port}, which the platform itself occupies"):
        parse_address(f"0.0.0.0:{port}")


def test_split_takes_the_brackets_off() -> None:
    assert split_address(Address("[::1]:9301")) == ("::1", 9301)


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.8.8.8:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("a:1", False),
    ],
)
def test_is_loopback(address: str, *, loopback: bool) -> None:
    assert is_loopback(Address(address)) is loopback


@pytest.mark.parametrize(("size_bytes", "text"), [(0, "0"), (8 << 20, "8MiB"), (1000, "1000B"), (3 << 29, "1536MiB")])
def test_formatted_sizes_parse_back(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text
    assert parse_bytes(text) == size_bytes


@pytest.mark.parametrize(("seconds", "text"), [(0, "0s"), (1.5, "1.5s"), (90, "90s"), (7200, "2h"), (86400, "1d")])
def test_formatted_durations_parse_back(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
    assert parse_seconds(text) == pytest.approx(seconds)
