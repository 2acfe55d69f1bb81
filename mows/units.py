"""Sizes, durations and addresses as people write them: ``8MiB``, ``2h``, ``10.0.0.1:9302``. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NewType

FileMode = NewType("FileMode", int)
"""Permissions, from text such as ``0660``."""

Bytes = NewType("Bytes", int)
"""A size: a number of bytes, or text such as ``8MiB``."""

Seconds = NewType("Seconds", float)
"""A duration: a number of seconds, or text such as ``30s`` or ``1h30m``."""

Address = NewType("Address", str)
"""``host:port``. The host may be a name, an IPv4 address or an IPv6 address in brackets."""

SIZE_UNITS: Mapping[str, int] = MappingProxyType(
    {"B": 1}
    | {f"{letter}iB": 1024**power for power, letter in enumerate("KMGTP", start=1)}
    | {f"{letter}B": 1000**power for power, letter in enumerate("KMGTP", start=1)}
)
DURATION_UNITS: Mapping[str, float] = MappingProxyType({"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0})

SIZE_HELP = "write bytes as a number, or with a unit: 8MiB, 200GiB, 1TB"
DURATION_HELP = "write seconds as a number, or with units: 500ms, 30s, 15m, 2h, 1h30m, 7d"
ADDRESS_HELP = "write host:port, for example 127.0.0.1:9301 or [::1]:9301"

MODE_HELP = 'write the permissions in quotes, as chmod takes them: "0660"'

SOCKET_MODE = FileMode(0o660)
"""Owner and group: whoever may open the socket may mount."""

RESERVED_PORTS = frozenset({8080, 9090})
"""Taken on every EAS node by the platform itself."""

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_SIZE = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)")
_DURATION_PART = re.compile(rf"({_NUMBER})\s*([a-z]+)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern}\s*)+")


def parse_bytes(value: object) -> Bytes:
    """A size in bytes, not negative. ValueError, with what is wrong, otherwise."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return Bytes(value)
    if isinstance(value, str):
        if value.isdecimal():
            return Bytes(int(value))
        found = _SIZE.fullmatch(value.strip())
        if found and found[2] in SIZE_UNITS:
            return Bytes(int(float(found[1]) * SIZE_UNITS[found[2]]))
    raise ValueError("is not a size")


def parse_seconds(value: object) -> Seconds:
    """A duration in seconds, not negative and finite. ValueError, with what is wrong, otherwise."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return Seconds(float(value))
    if isinstance(value, str):
        if re.fullmatch(_NUMBER, value):
            return Seconds(float(value))
        parts = _DURATION_PART.findall(value)
        if _DURATION.fullmatch(value.strip()) and all(unit in DURATION_UNITS for _, unit in parts):
            return Seconds(sum(float(number) * DURATION_UNITS[unit] for number, unit in parts))
    raise ValueError("is not a duration")


def parse_mode(value: object) -> FileMode:
    """Permissions in octal digits. ValueError otherwise: also for a number, which YAML reads as octal or as decimal."""
    if isinstance(value, str) and re.fullmatch("0?[0-7]{3}", value):
        return FileMode(int(value, 8))
    raise ValueError("are no permissions")


def format_mode(mode: int) -> str:
    """As `parse_mode` takes it."""
    return f"{mode:04o}"


def parse_address(value: object) -> Address:
    """``host:port`` with a port that may be listened on. ValueError, with what is wrong, otherwise."""
    text = str(value)
    host, colon, port = text.rpartition(":")
    if not (host and colon and port.isdecimal() and int(port) < 1 << 16) or (":" in host and host[0] != "["):
        raise ValueError("is not an address")
    if int(port) in RESERVED_PORTS:
        raise ValueError(f"uses port {port}, which the platform itself occupies on inference nodes")
    return Address(text)


def split_address(address: Address) -> tuple[str, int]:
    """(host without brackets, port)."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def is_loopback(address: Address) -> bool:
    """Whether only this machine can reach the address. A name other than ``localhost`` counts as reachable."""
    host, _ = split_address(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def format_bytes(size_bytes: int) -> str:
    """The shortest exact way to write a size: ``8MiB``, ``1000B``."""
    for unit in ("PiB", "TiB", "GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % SIZE_UNITS[unit] == 0:
            return f"{size_bytes // SIZE_UNITS[unit]}{unit}"
    return f"{size_bytes}B" if size_bytes else "0"


def format_seconds(seconds: float) -> str:
    """The shortest exact way to write a duration: ``2h``, ``1.5s``, ``90s``."""
    for unit in ("d", "h", "m"):
        if seconds >= DURATION_UNITS[unit] and seconds % DURATION_UNITS[unit] == 0:
            return f"{seconds / DURATION_UNITS[unit]:g}{unit}"
    return f"{seconds:g}s"
