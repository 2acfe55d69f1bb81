"""Finding the files that a prewarm selects: listing directories and reading indexes, off the loop."""

from __future__ import annotations

import asyncio

from cachefs.errors import EmptySource
from cachefs.fs import FileNode, Snapshot
from cachefs.ports import Origin
from cachefs.types import ByteRange, Deadline, ObjectInfo
from mows.errors import InvalidIndex
from mows.prewarm_sources import Kind, Selection, in_order, matching, named, shards_of
from mows.prewarm_state import Order
from mows.sources import Lister

MOST_INDEX_BYTES = 64 << 20
"""The index of a model with a million tensors."""

INDEX_SECONDS = 60.0


async def selected(
    selection: Selection, lister: Lister, origin: Origin, order: Order, prewarm_id: str
) -> list[ObjectInfo]:
    """The objects in their order, at least one. Raises OriginError, InvalidIndex, EmptySource, and as `Lister` does."""
    snapshot = await lister.nonempty_snapshot(selection.source, prewarm_id)
    files = await asyncio.to_thread(_selected, selection, snapshot, origin)
    return in_order(files, order)


def _selected(selection: Selection, snapshot: Snapshot, origin: Origin) -> list[FileNode]:
    if selection.kind is Kind.ALL:
        return list(snapshot.files())
    if selection.kind is Kind.PATTERN:
        found = matching(snapshot.files(), selection.name)
        if not found:
            raise EmptySource(f"source {selection.text!r}: none of {snapshot.file_count} files matches")
        return found
    return _of_index(selection, snapshot, origin)


def _of_index(selection: Selection, snapshot: Snapshot, origin: Origin) -> list[FileNode]:
    files = list(snapshot.files())
    index = next((node.info for node in files if node.path == selection.name), None)
    if index is None:
        raise EmptySource(f"source {selection.text!r}: there is no such file")
    if index.size_bytes > MOST_INDEX_BYTES:
        raise InvalidIndex(f"{index.uri}: {index.size_bytes} bytes are more than any index has")
    pieces = origin.read(index, ByteRange(0, index.size_bytes), Deadline.after(INDEX_SECONDS))
    content = b"".join(map(bytes, pieces))
    return named(files, selection.name, shards_of(content, index.uri))
