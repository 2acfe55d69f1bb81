"""Numbers as people read them. Sizes are binary (GiB), rates decimal (GB/s), both with their unit."""

from __future__ import annotations

from datetime import UTC, datetime

_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_RATE_UNITS = ("B/s", "kB/s", "MB/s", "GB/s", "TB/s")


def size_text(size_bytes: float) -> str:
    """``1536`` as ``1.5 KiB``; whole bytes below 1 KiB."""
    return _scaled(size_bytes, 1024, _SIZE_UNITS)


def rate_text(bytes_per_second: float) -> str:
    """``1.2e9`` as ``1.2 GB/s``."""
    return _scaled(bytes_per_second, 1000, _RATE_UNITS)


def _scaled(value: float, base: int, units: tuple[str, ...]) -> str:
    step = 0
    # 0.05 below the next unit would be printed as 1024.0 of this one.
    while value >= base - 0.05 and step < len(units) - 1:
        value /= base
        step += 1
    return f"{value:.0f} {units[0]}" if step == 0 else f"{value:.1f} {units[step]}"


def duration_text(seconds: float) -> str:
    """``75`` as ``1 min 15 s``; the two largest units, rounded to whole seconds."""
    whole = max(0, round(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((index for index, (value, _) in enumerate(parts) if value), len(parts) - 1)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value or unit == parts[first][1])


def brief_text(seconds: float) -> str:
    """``0.0123`` as ``12 ms``; from 10 s on as `duration_text`."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.1f} s" if seconds < 10 else duration_text(seconds)


def moment_text(moment: datetime) -> str:
    """``2026-11-23T10:00:00Z``: RFC 3339, without fractions of a second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def count_text(count: int, word: str) -> str:
    """``1 failure``, ``2 failures``."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def hidden_note(count: int, source: str) -> str:
    """What to say of `count` keys below `source` that have no file."""
    return f"{count_text(count, 'key')} that no file system can show: `mows ls --hidden {source}` says why"
