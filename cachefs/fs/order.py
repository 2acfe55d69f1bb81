"""In which order an engine will open the files of a model. Pure.

An engine reads the shards of a model one after another. The order stands in the model's ``*.index.json``, whose
``weight_map`` names the file of each tensor; without one it is the order of the names, numbers read as numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from cachefs.fetch.readahead import is_weight_file
from cachefs.fs.snapshot import FileNode
from cachefs.types import ObjectInfo

INDEX_SUFFIX = ".index.json"

INDEX_MAX_BYTES = 64 << 20
"""A larger index is not parsed: the largest published one (DeepSeek-V3, 91,000 tensors) has 9 MB."""


def weight_files_after(
    node: FileNode, siblings: Sequence[FileNode], content: Callable[[ObjectInfo], bytes | None]
) -> list[ObjectInfo]:
    """The weight files an engine will open after `node`, soonest first; none when `node` is no weight file.

    `content` gives the bytes of a sibling if it is at hand; it is asked only for index files of a sane size.
    """
    order = _order(siblings, content)
    names = [sibling.path for sibling in order]
    if node.path not in names:
        return []
    return [sibling.info for sibling in order[names.index(node.path) + 1 :]]


def _order(siblings: Sequence[FileNode], content: Callable[[ObjectInfo], bytes | None]) -> list[FileNode]:
    weights = sorted((s for s in siblings if is_weight_file(s.path)), key=lambda s: natural_key(s.path))
    place: dict[str, int] = {}
    for index in siblings:
        if index.path.endswith(INDEX_SUFFIX) and index.info.size_bytes <= INDEX_MAX_BYTES:
            for name in index_order(content(index.info)):
                place.setdefault(name, len(place))
    last = len(place)
    return sorted(weights, key=lambda s: place.get(s.path.rpartition("/")[2], last))


def index_order(document: bytes | None) -> list[str]:
    """File names of an ``*.index.json`` by first appearance; empty for anything that is not one."""
    if document is None:
        return []
    try:
        parsed = json.loads(document)
    except ValueError:
        return []
    weight_map = parsed.get("weight_map") if isinstance(parsed, dict) else None
    if not isinstance(weight_map, dict):
        return []
    return list(dict.fromkeys(name for name in weight_map.values() if isinstance(name, str)))


def natural_key(text: str) -> list[tuple[int, str]]:
    """Sort key that puts ``shard-2`` before ``shard-10``."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
