"""Turns parsed YAML into frozen dataclasses, and every mistake in it into one clear ConfigError.

A section is a dataclass whose fields are made by `setting`: the annotation says the type and unit, the metadata says
what the key means and why it has its default. The document of all keys is made from the same fields. A section that
must check more than types does so in ``__post_init__`` and raises `Unusable`.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mows import units
from mows.errors import ConfigError

Section = TypeVar("Section")


class Unusable(ValueError):
    """A value of the right type that cannot be used. `key` is the key inside the section."""

    def __init__(self, key: str, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.key = key
        self.hint = hint


def setting(
    default: Any = dataclasses.MISSING,  # noqa: ANN401 as dataclasses.field
    *,
    doc: str,
    factory: Callable[[], Any] | None = None,
    shown: str | None = None,
    key: str | None = None,
    secret: bool = False,
) -> Any:  # noqa: ANN401 as dataclasses.field
    """A field of a section.

    `doc` is its text in docs/CONFIGURATION.md: meaning and reason. `key` is its name in the file where that is not the
    field's. `shown` describes a default that differs from machine to machine. A `secret` never appears in a message.
    """
    metadata = {"doc": doc, "shown": shown, "key": key, "secret": secret}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata, repr=not secret)
    return field(default=default, metadata=metadata, repr=not secret)


def key_of(row: dataclasses.Field[Any]) -> str:
    """The name of a field in the file."""
    return row.metadata["key"] or row.name


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the configuration a value stands, for messages."""

    file: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Key path -> environment variable that set it."""
    path: str = ""

    def child(self, name: str | int) -> Place:
        """The place of one key of a mapping or one item of a list."""
        step = f"[{name}]" if isinstance(name, int) else f".{name}"
        return dataclasses.replace(self, path=(self.path + step).removeprefix("."))

    def error(self, message: str, *, hint: str) -> ConfigError:
        """An error that names the file (or the variable that overrides it) and the key path."""
        inside = [
            path for path in self.overrides if self.path == path or self.path.startswith((f"{path}.", f"{path}["))
        ]
        source = self.overrides[max(inside, key=len)] if inside else self.file
        return ConfigError(f"{source}: {self.path or 'the file'}: {message}", hint=hint)


def bind(section: type[Section], raw: object, place: Place) -> Section:
    """The section that `raw`, a parsed YAML mapping, describes. Raises ConfigError."""
    if raw is None:
        raw = {}
    if not isinstance(raw, Mapping):
        raise place.error(f"{raw!r} is not a mapping", hint=f"write keys below it: {', '.join(_keys(section))}")
    rows = _keys(section)
    for name in raw:
        if name not in rows:
            raise place.child(name).error("unknown key", hint=did_you_mean(str(name), rows))
    hints = get_type_hints(section)
    values = {}
    for name, row in rows.items():
        at = place.child(name)
        if name in raw:
            values[row.name] = convert(hints[row.name], raw[name], at, secret=row.metadata["secret"])
        elif row.default is dataclasses.MISSING and row.default_factory is dataclasses.MISSING:
            raise at.error("is missing", hint=f"it has no default: {row.metadata['doc']}")
    try:
        return section(**values)
    except Unusable as error:
        raise place.child(error.key).error(str(error), hint=error.hint) from error


def did_you_mean(name: str, known: Sequence[str] | Mapping[str, object]) -> str:
    """A remedy for a name that is not known."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(sorted(known))}"


def convert(kind: Any, value: object, place: Place, *, secret: bool = False) -> Any:  # noqa: ANN401 any annotation
    """`value` as the annotation `kind` wants it. Raises ConfigError."""
    if kind in _SCALARS:
        return _scalar(kind, value, place, secret=secret)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return bind(kind, value, place)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in {types.UnionType, Union}:
        inner = next(part for part in arguments if part is not types.NoneType)
        return None if value is None else convert(inner, value, place, secret=secret)
    if origin is Literal:
        return _choice(arguments, value, place)
    if origin is tuple:
        return _items(arguments[0], value, place)
    if origin is Mapping or kind is Mapping:
        return _mapping(value, place)
    raise AssertionError(f"a section has a field of unknown kind {kind}")


def _keys(section: type) -> dict[str, dataclasses.Field[Any]]:
    return {key_of(row): row for row in dataclasses.fields(section)}


def _scalar(kind: Any, value: object, place: Place, *, secret: bool) -> Any:  # noqa: ANN401 see convert
    parse, remedy = _SCALARS[kind]
    try:
        return parse(value)
    except ValueError as error:
        shown = "the value" if secret else repr(value)
        raise place.error(f"{shown} {error}", hint=remedy) from error


def _choice(choices: tuple[Any, ...], value: object, place: Place) -> object:
    if isinstance(value, bool) and {"on", "off"} <= set(choices):
        return "on" if value else "off"  # YAML reads these words, unquoted, as truth values
    if value not in choices:
        names = [str(choice) for choice in choices]
        raise place.error(f"{value!r} is none of {', '.join(names)}", hint=did_you_mean(str(value), names))
    return value


def _items(kind: Any, value: object, place: Place) -> tuple[Any, ...]:  # noqa: ANN401 see convert
    if not isinstance(value, list):
        raise place.error(f"{value!r} is not a list", hint="write items in brackets, or one a line after '- '")
    return tuple(convert(kind, item, place.child(index)) for index, item in enumerate(value))


def _mapping(value: object, place: Place) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise place.error("the value is not a mapping", hint="write it as {name: text}")
    return types.MappingProxyType({str(name): _option(item) for name, item in value.items()})


def _option(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("is not text")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("is not true or false")  # noqa: TRY004 one kind of error for all scalars
    return value


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("is not a whole number from 0 up")
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < float("inf"):
        raise ValueError("is not a number from 0 up")
    return float(value)


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value.startswith("/"):
        raise ValueError("is not an absolute path")
    return Path(value)


_SCALARS: Mapping[Any, tuple[Callable[[object], Any], str]] = types.MappingProxyType(
    {
        str: (_text, "write text; put quotes around what YAML would read as a number, a date or true/false"),
        bool: (_boolean, "write true or false"),
        int: (_integer, "write a whole number without a unit"),
        float: (_number, "write a number without a unit"),
        Path: (_path, "write a path that begins with /: a daemon has no working directory of its own"),
        units.Bytes: (units.parse_bytes, units.SIZE_HELP),
        units.Seconds: (units.parse_seconds, units.DURATION_HELP),
        units.FileMode: (units.parse_mode, units.MODE_HELP),
        units.Address: (units.parse_address, units.ADDRESS_HELP),
    }
)
