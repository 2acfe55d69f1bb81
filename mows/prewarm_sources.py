"""What one source of a prewarm selects: a prefix, a pattern, or the shards that a safetensors index names. Pure.

A source is written as that of a mount. With ``*``, ``?`` or ``[...]`` in its path it is a pattern: ``*`` stays inside
one name, ``**`` crosses directories. A source that ends in ``.safetensors.index.json`` stands for that file and the
shards it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from cachefs.errors import InvalidSource
from cachefs.fs import FileNode
from cachefs.origin import Source, parse_source
from cachefs.types import ObjectInfo
from mows.errors import InvalidIndex
from mows.prewarm_state import Order

INDEX_SUFFIX = ".safetensors.index.json"

_WILDCARD = re.compile(r"[*?\[]")
_PART = re.compile(r"\*\*/|\*\*|\*|\?|\[!?(?:\][^\]/]*|[^\]/]+)\]|.", re.DOTALL)
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".gguf", ".ckpt", ".npz", ".msgpack", ".h5", ".onnx")
_WILD = MappingProxyType({"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"})
_NUMBER = re.compile(r"(\d+)")


class Kind(Enum):
    """How the files below the directory are selected."""

    ALL = "all"
    PATTERN = "pattern"
    INDEX = "index"


@dataclass(frozen=True, slots=True)
class Selection:
    """Some of the files below `source`."""

    text: str
    """As it was asked for; for a prefix, its canonical spelling."""
    source: Source
    kind: Kind
    name: str = ""
    """The pattern, or the index, relative to the source."""


def parse_selection(text: str) -> Selection:
    """What `text` selects. Raises InvalidSource, UnknownScheme."""
    wildcard = _WILDCARD.search(text)
    if wildcard or text.endswith(INDEX_SUFFIX):
        directory, slash, _ = text[: wildcard.start() if wildcard else None].rpartition("/")
        if directory.endswith("/") or not slash:
            raise InvalidSource(f"source {text!r}: no directory before the pattern", hint="name its bucket or host")
        source, name = parse_source(f"{directory}/"), text[len(directory) + 1 :]
        _check(text, name)
        return Selection(text, source, Kind.PATTERN if wildcard else Kind.INDEX, name)
    source = parse_source(text)
    return Selection(source.uri, source, Kind.ALL)


def _check(text: str, name: str) -> None:
    try:
        pattern_regex(name)
    except re.error as error:
        raise InvalidSource(f"source {text!r}: not a pattern: {error}", hint="write [[] for a bracket") from error


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """What whole paths match. Raises re.error for a class that is none, such as ``[z-a]``."""
    return re.compile("".join(map(_translated, _PART.findall(pattern))), re.DOTALL)


def _translated(part: str) -> str:
    if part in _WILD:
        return _WILD[part]
    if len(part) == 1:
        return re.escape(part)
    inside = re.sub(r"([\\\[^])", r"\\\1", part[1:-1])
    return f"(?!/)[^{inside[1:]}]" if inside.startswith("!") else f"[{inside}]"


def shards_of(index: bytes, what: str) -> list[str]:
    """The files that a safetensors index names, each once, by name. Raises InvalidIndex, naming `what`."""
    try:
        return sorted({_plain(name) for name in json.loads(index)["weight_map"].values()})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidIndex(f"{what}: not a safetensors index: {error!r}") from error


def _plain(name: object) -> str:
    if not isinstance(name, str) or not name:
        raise ValueError(f"{name!r} is no file")
    return name


def matching(files: Iterable[FileNode], pattern: str) -> list[FileNode]:
    """Those whose whole path matches."""
    regex = pattern_regex(pattern)
    return [node for node in files if regex.fullmatch(node.path)]


def named(files: Iterable[FileNode], index: str, shards: Sequence[str]) -> list[FileNode]:
    """The index, and exactly the shards it names, which lie beside it. Raises InvalidIndex when one is not there."""
    by_path = {node.path: node for node in files}
    directory = index[: index.rfind("/") + 1]
    paths = [index, *(f"{directory}{shard}" for shard in shards)]
    if missing := [path for path in paths if path not in by_path]:
        raise InvalidIndex(f"{index}: {len(missing)} of {len(shards)} shards are not there, such as {missing[0]!r}")
    return [by_path[path] for path in paths]


def in_order(files: Iterable[FileNode], order: Order) -> list[ObjectInfo]:
    """The objects, the first to be fetched first."""
    if order is Order.SIZE:
        return [node.info for node in sorted(files, key=lambda node: (-node.info.size_bytes, node.path))]
    if order is Order.NAME:
        return [node.info for node in sorted(files, key=lambda node: node.path)]
    return [node.info for node in sorted(files, key=lambda node: (_is_weights(node.path), natural(node.path)))]


def natural(path: str) -> list[tuple[str, int]]:
    """A key that puts ``shard-2`` before ``shard-10``."""
    parts = _NUMBER.split(path)
    return [(text, int(number) if number else -1) for text, number in zip(parts[::2], [*parts[1::2], ""], strict=True)]


def _is_weights(path: str) -> bool:
    return path.lower().endswith(_WEIGHTS)
