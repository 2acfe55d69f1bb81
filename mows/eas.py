"""The `storage` list of an EAS service JSON, as it is written there, and what of it becomes mounts. Pure.

An entry has a `mount_path` and one object that says what it is: `oss`, `nfs`, `cache`, `empty_dir` or another kind.

- `oss` and `nfs` become mounts of their source, read-only.
- `cache` is the accelerated twin of another entry, whose `mount_path`, or a directory below it, is its `path`: it
  becomes a mount of that entry's source, or of the directory below it. Both share one cache. Where an instance is to be
  warm, only the twins of an entry are warmed, not the entry itself: it may be a whole bucket of models.
- `empty_dir` holds no data, so it is left to whoever starts the containers.
- Every other kind is refused by its name.

Names are accepted in both spellings that are in use: `read_only` and `readOnly`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from cachefs.errors import SourceError
from cachefs.origin import parse_source
from mows.errors import InvalidStorage, StorageWritable, UnsupportedStorage
from mows.instance_choices import Writable
from mows.instance_spec import Ignored, PlannedMount
from mows.mount_spec import MountSpec

KINDS = ("oss", "nfs", "cache", "empty_dir")
"""What can be used or is known to need no mount."""

_FOLDED_KINDS = {kind.replace("_", ""): kind for kind in KINDS}
_NO_KIND = "properties"
_ENDPOINT = re.compile(r"oss-[a-z0-9-]+\.aliyuncs\.com")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is to become of a storage list, besides what it says itself."""

    root: str
    """Directory of this node below which the mount paths are."""
    warm: bool = False
    writable: Writable = Writable.REFUSE


@dataclass(frozen=True, slots=True)
class Plan:
    """A storage list, translated."""

    mounts: tuple[PlannedMount, ...]
    ignored: tuple[Ignored, ...]


EndpointOf = Callable[[str], str | None]
"""The endpoint that the node's configuration has for a source URI; None: it names none."""


@dataclass(frozen=True, slots=True)
class StorageSettings:
    """What the node's configuration says of storage."""

    root: Path
    """An instance that names no root of its own gets a directory in this one."""
    endpoint_of: EndpointOf


@dataclass(frozen=True, slots=True)
class _Entry:
    number: int
    path: str
    """`mount_path`, normalised: ``/a/b``."""
    kind: str
    fields: Mapping[str, object]
    """By folded name."""

    def place(self, name: str = "") -> str:
        """For messages."""
        return f"storage[{self.number}].{self.kind}" + (f".{name}" if name else "")

    def text(self, name: str) -> str:
        """A field that must be there."""
        value = self.fields.get(name)
        if not isinstance(value, str) or not value:
            raise InvalidStorage(f"{self.place(name)}: {value!a} is not a text", hint=f"set {name}")
        if not value.isprintable():
            raise InvalidStorage(f"{self.place(name)}: {value!a} has characters that cannot be shown")
        return value

    @property
    def writable(self) -> bool:
        """Whether it says that it is to be written to. One that says nothing is only read here."""
        value = self.fields.get("readonly", True)
        if not isinstance(value, bool):
            raise InvalidStorage(f"{self.place('readOnly')}: {value!a} is not true or false")
        return not value


def translate(storage: Sequence[Mapping[str, object]], wishes: Wishes, endpoint_of: EndpointOf) -> Plan:
    """What is to be mounted where. Asks nobody.

    Raises InvalidStorage, UnsupportedStorage and StorageWritable, naming the entry by its place in the list.
    """
    entries = [_entry(number, row) for number, row in enumerate(storage)]
    _check_paths(entries)
    ignored = [found for entry in entries if (found := _ignored(entry, wishes)) is not None]
    left_out = {entry.number for entry in ignored}
    sources = {entry.path: _source(entry, endpoint_of) for entry in entries if entry.kind in {"oss", "nfs"}}
    twins = {entry.number: _base(entry, sources) for entry in entries if entry.kind == "cache"}
    with_twin = set(twins.values())
    mounts: list[PlannedMount] = []
    for entry in entries:
        if entry.number in left_out:
            continue
        source = sources[entry.path] if entry.path in sources else _below(entry, twins[entry.number], sources)
        warm = wishes.warm and entry.path not in with_twin
        spec = MountSpec(source, f"{wishes.root.rstrip('/')}{entry.path}", warm)
        mounts.append(PlannedMount(entry.number, entry.path, spec))
    return Plan(tuple(mounts), tuple(ignored))


def _entry(number: int, row: Mapping[str, object]) -> _Entry:
    fields = _folded(row, f"storage[{number}]")
    path = _path(fields.get("mountpath"), f"storage[{number}].mount_path")
    kinds = {_FOLDED_KINDS.get(name, name): value for name, value in fields.items() if isinstance(value, Mapping)}
    kinds.pop(_NO_KIND, None)
    if len(kinds) != 1:
        names = f"several kinds: {', '.join(map(ascii, sorted(kinds)))}" if kinds else "no kind of storage"
        raise InvalidStorage(f"storage[{number}] ({path!a}): names {names}", hint=f"name one of {', '.join(KINDS)}")
    ((kind, value),) = kinds.items()
    if kind not in KINDS:
        raise UnsupportedStorage(f"storage[{number}] ({path!a}): kind {kind!a} cannot be mounted here")
    return _Entry(number, path, kind, _folded(value, f"storage[{number}].{kind}"))


def _folded(row: Mapping[str, object], place: str) -> Mapping[str, object]:
    """With names in one spelling: ``readonly`` for ``readOnly`` and ``read_only``."""
    folded: dict[str, object] = {}
    for name, value in row.items():
        key = name.replace("_", "").lower()
        if key in folded:
            raise InvalidStorage(f"{place}: {name!a} is there in two spellings", hint="keep one of them")
        folded[key] = value
    return folded


def _path(value: object, place: str) -> str:
    if not isinstance(value, str) or not value.startswith("/"):
        raise InvalidStorage(f"{place}: {value!a} is not an absolute path", hint="begin it with /")
    parts = [part for part in value.split("/") if part not in {"", "."}]
    if not parts or ".." in parts or not all(part.isprintable() for part in parts):
        raise InvalidStorage(f"{place}: {value!a} cannot be a mount path", hint="name a directory below /, without ..")
    return "/" + "/".join(parts)


def _check_paths(entries: Sequence[_Entry]) -> None:
    """No entry lies on or below another one, of those that are mounted."""
    mounted = sorted((entry for entry in entries if entry.kind != "empty_dir"), key=lambda entry: entry.path + "/")
    for above, entry in pairwise(mounted):
        if _is_below(entry.path, above.path):
            raise InvalidStorage(
                f"storage[{entry.number}].mount_path: {entry.path!a} is, or lies below, that of "
                f"storage[{above.number}]",
                hint="mounts are read-only, so one cannot lie inside another: choose paths beside each other",
            )


def _is_below(path: str, above: str) -> bool:
    return f"{path}/".startswith(f"{above}/")


def _ignored(entry: _Entry, wishes: Wishes) -> Ignored | None:
    if entry.kind == "empty_dir":
        return Ignored(entry.number, entry.path, entry.kind, "holds no data: whoever starts the containers makes it")
    if entry.kind == "cache" or not entry.writable or wishes.writable is Writable.READ_ONLY:
        return None
    if wishes.writable is Writable.REFUSE:
        raise StorageWritable(f"{entry.place('readOnly')}: is false, and mounts of MoWS are read-only")
    return Ignored(entry.number, entry.path, entry.kind, "is to be written to, and mounts of MoWS are read-only")


def _source(entry: _Entry, endpoint_of: EndpointOf) -> str:
    text = _oss(entry, endpoint_of) if entry.kind == "oss" else _nas(entry)
    return _checked(entry, text)


def _oss(entry: _Entry, endpoint_of: EndpointOf) -> str:
    text = entry.text("path")
    if not text.startswith("oss://"):
        raise InvalidStorage(f"{entry.place('path')}: {text!a} does not begin with oss://")
    endpoint = entry.fields.get("endpoint")
    if endpoint in {None, ""}:
        return text
    wanted = _bare(entry.text("endpoint"))
    source = parse_source(_checked(entry, text))
    if wanted in {source.endpoint, _bare(endpoint_of(source.uri) or "")}:
        return text
    if source.endpoint or not _ENDPOINT.fullmatch(wanted):
        raise InvalidStorage(
            f"{entry.place('endpoint')}: {endpoint!a} is neither that of the path, nor that of this node's "
            "configuration, nor of the form oss-REGION[-internal].aliyuncs.com",
            hint=f"leave it out, or give this node an entry for {source.authority}/ under `origins` with this endpoint",
        )
    bucket = source.authority.removeprefix("oss://")
    return f"oss://{bucket}.{wanted}/{source.prefix}"


def _bare(endpoint: str) -> str:
    return endpoint.removeprefix("https://").removeprefix("http://").rstrip("/")


def _nas(entry: _Entry) -> str:
    server, path = entry.text("server"), entry.text("path")
    if "/" in server or not path.startswith("/"):
        raise InvalidStorage(
            f"{entry.place()}: server {server!a} and path {path!a} name no export",
            hint='write them as {"server": "NAME", "path": "/export/directory"}',
        )
    return f"nas://{server}{path}"


def _checked(entry: _Entry, text: str) -> str:
    try:
        parse_source(text)
    except SourceError as error:
        raise InvalidStorage(f"{entry.place('path')}: {error}", hint=error.hint) from None
    return text


def _base(twin: _Entry, sources: Mapping[str, str]) -> str:
    """The mount path of the entry that a `cache` entry accelerates."""
    path = _path(twin.fields.get("path"), twin.place("path"))
    found = [base for base in sources if _is_below(path, base)]
    if not found:
        names = ", ".join(map(ascii, sources)) or "there is none"
        raise InvalidStorage(
            f"{twin.place('path')}: {path!a} is not, and does not lie below, the mount_path of an oss or nfs entry",
            hint=f"name one of them: {names}",
        )
    return found[0]  # there is one: no mount path lies below another


def _below(twin: _Entry, base: str, sources: Mapping[str, str]) -> str:
    rest = _path(twin.fields.get("path"), twin.place("path")).removeprefix(base)
    return _checked(twin, f"{sources[base].rstrip('/')}{rest}")
