"""Writes docs/CONFIGURATION.md from the fields: ``python -m mows.config.docs > docs/CONFIGURATION.md``.

A test compares the committed document with what this makes.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mows import units
from mows.config.binding import key_of
from mows.config.sections import Config

HEAD = """# Configuration

Made from the configuration classes by `python -m mows.config.docs`; do not edit by hand.

`mows daemon --config mows.yaml` reads one YAML file. An unknown key, a wrong unit or a value of the wrong type stops
the start with one message that names the file, the key, the value and the remedy. `mows doctor --config mows.yaml`
checks a file without starting anything. `deploy/mows.example.yaml` is a complete example.

**Sizes** are bytes, or carry a unit: `8MiB`, `200GiB`, `1TB` (KiB = 1024, KB = 1000). **Durations** are seconds, or
carry units: `500ms`, `30s`, `15m`, `2h`, `1h30m`, `7d`. **Paths** are absolute. **Addresses** are `host:port`; ports
8080 and 9090 are refused, because the platform itself occupies them on inference nodes.

**Environment.** `MOWS_SECTION__KEY=value` overrides one key of the file: `MOWS_NODE__ID=node-b`,
`MOWS_LOG__LEVEL=debug`. Deeper keys take more double underscores (`MOWS_PEERS__DISCOVERY__DNS=...`). The value is
YAML, so a list is given whole: `MOWS_CACHE__TIERS='[{path: /dev/shm/mows, capacity: 8GiB}]'`. A variable with a double
underscore that names no key is an error; other `MOWS_` variables are left alone, because Kubernetes sets some for
Services.
"""

_NAMES: Mapping[Any, str] = types.MappingProxyType(
    {
        str: "text",
        bool: "true or false",
        int: "number",
        float: "number",
        Path: "path",
        units.Bytes: "size",
        units.Seconds: "duration",
        units.Address: "address",
        units.FileMode: "permissions",
    }
)


def render() -> str:
    """The whole document."""
    lines = [HEAD]
    hints = get_type_hints(Config)
    for row in dataclasses.fields(Config):
        lines.extend(_section(key_of(row), hints[row.name]))
    return "\n".join(lines).rstrip() + "\n"


def _section(path: str, kind: Any) -> Iterator[str]:  # noqa: ANN401 any annotation
    section, repeated = _nested(kind)
    assert section is not None
    path += "[]" if repeated else ""
    yield f"## `{path}`" if path.count(".") == 0 else f"### `{path}`"
    yield ""
    yield (section.__doc__ or "").strip()
    yield ""
    yield "| key | type | default | meaning |"
    yield "|---|---|---|---|"
    hints = get_type_hints(section)
    below: list[tuple[str, Any]] = []
    for row in dataclasses.fields(section):
        key, hint = key_of(row), hints[row.name]
        yield f"| `{key}` | {_kind(hint)} | {_default(row, hint)} | {row.metadata['doc']} |"
        if _nested(hint)[0] is not None:
            below.append((f"{path}.{key}", hint))
    yield ""
    for child, kind_below in below:
        yield from _section(child, kind_below)


def _nested(kind: Any) -> tuple[type[Any] | None, bool]:  # noqa: ANN401 any annotation
    """(the section a field holds, whether it holds many); (None, False) for a plain value."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind, False
    for part in get_args(kind):
        section, _ = _nested(part)
        if section is not None:
            return section, get_origin(kind) is tuple
    return None, False


def _kind(kind: Any) -> str:  # noqa: ANN401 any annotation
    if kind in _NAMES:
        return _NAMES[kind]
    arguments = get_args(kind)
    if get_origin(kind) in {types.UnionType, Union}:
        return " or ".join("null" if part is types.NoneType else _kind(part) for part in arguments)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if get_origin(kind) is tuple:
        return f"list of {_kind(arguments[0])}"
    return "mapping"


def _default(row: dataclasses.Field[Any], kind: Any) -> str:  # noqa: ANN401 any annotation
    if row.metadata["shown"]:
        return str(row.metadata["shown"])
    if row.default is dataclasses.MISSING:
        return "required" if row.default_factory is dataclasses.MISSING else "`{}`"
    return f"`{_value(row.default, kind)}`"


def _value(value: object, kind: Any) -> str:  # noqa: ANN401 any annotation
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    if units.Bytes in {kind, *get_args(kind)}:
        return units.format_bytes(int(str(value)))
    if kind is units.FileMode:
        return f'"{units.format_mode(int(str(value)))}"'
    if units.Seconds in {kind, *get_args(kind)}:
        return units.format_seconds(float(str(value)))
    return str(value)


if __name__ == "__main__":
    sys.stdout.write(render())
