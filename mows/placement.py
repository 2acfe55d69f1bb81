"""How soon this node could serve a source, and what lies below one: questions that need a listing but no mount."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from cachefs.fs import FileNode, Snapshot
from cachefs.origin import Source, parse_source
from mows.filling import Filler
from mows.ports import ObjectCache
from mows.progress import ByteCounts, seconds_left
from mows.sources import Lister


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file below a source, and how much of it is in the cache."""

    node: FileNode
    local_bytes: int


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies below a source now."""

    source: Source
    snapshot: Snapshot
    files: tuple[ListedFile, ...]
    """By path."""

    @property
    def bytes(self) -> ByteCounts:
        """The bytes of all files. Nothing is fetched by looking."""
        return ByteCounts(total=self.snapshot.total_bytes, local=sum(file.local_bytes for file in self.files))


@dataclass(frozen=True, slots=True)
class Placement:
    """How soon this node could serve a source from its cache."""

    source: Source
    bytes: ByteCounts
    origin_bytes_per_second: float | None
    seconds_to_ready: float | None


class Inspector:
    """Belongs to the loop; the work is done in threads."""

    def __init__(self, lister: Lister, cache: ObjectCache, filler: Filler) -> None:
        self._lister = lister
        self._cache = cache
        self._filler = filler

    async def contents(self, text: str) -> Contents:
        """List a source. Raises InvalidSource, UnknownScheme, EmptySource, OriginError."""
        source = parse_source(text)
        snapshot = await self._lister.snapshot_with_keys(source, "")
        return await asyncio.to_thread(self._contents, source, snapshot)

    async def placement(self, text: str) -> Placement:
        """Raises as `contents`."""
        found = await self.contents(text)
        rate = self._filler.rate(found.source.authority)
        return Placement(found.source, found.bytes, rate, seconds_left(found.bytes.missing, rate))

    def _contents(self, source: Source, snapshot: Snapshot) -> Contents:
        nodes = sorted(snapshot.files(), key=lambda node: node.path)
        files = tuple(ListedFile(node, self._cache.resident_bytes(node.info)) for node in nodes)
        return Contents(source, snapshot, files)
