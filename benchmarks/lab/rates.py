"""Rates as people write them: ``200Mbit``, ``1Gbit``. Pure."""

from __future__ import annotations

import re

UNITS = {"bit": 1, "Kbit": 10**3, "Mbit": 10**6, "Gbit": 10**9}
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def parse_rate(text: str) -> int:
    """Bits per second, at least 1. ValueError otherwise."""
    found = _RATE.fullmatch(text.strip())
    if found is None or found[2] not in UNITS or (rate := int(float(found[1]) * UNITS[found[2]])) < 1:
        raise ValueError(f"{text!r} is not a rate: write 200Mbit or 1Gbit")
    return rate


def format_rate(bits_per_second: int) -> str:
    """The shortest exact way to write a rate."""
    unit = next(unit for unit in reversed(UNITS) if bits_per_second % UNITS[unit] == 0)
    return f"{bits_per_second // UNITS[unit]}{unit}"
