"""Reading on into the next files of a model while an engine is still busy with one.

Whoever reads a shard to its end opens the next one; finding which that is, and taking hold of its blob, may do I/O, so
it is done on a fill thread.
"""

from __future__ import annotations

import logging

from cachefs.fetch.file import CachedFile, Followed
from cachefs.fetch.live import LiveBlobs
from cachefs.fetch.readahead import shares
from cachefs.types import BlobKey, ByteRange, ObjectInfo

log = logging.getLogger(__name__)


def should_ask(file: CachedFile, *, shared: bool) -> bool:
    """Whether it is the turn of the files after it: the file itself needs nothing more, or peers share the model.

    Among peers the whole model is wanted at once, since the more chunks are asked for, the more nodes have to give.
    """
    live = file.live
    if file.asked or not file.weights or not file.pattern.beyond_header or live.bypassed or not live.read_ahead:
        return False
    return shared or live.flights.startable() == 0


def find_followed(file: CachedFile, lives: LiveBlobs, most_bytes: int) -> list[Followed]:
    """The heads to read ahead, at most `most_bytes` together; each holds its blob. Blocks."""
    infos = _following(file)
    found = []
    for info, head_bytes in zip(infos, shares([info.size_bytes for info in infos], most_bytes), strict=True):
        if head_bytes and (followed := _follow(file, lives, info, head_bytes)):
            found.append(followed)
    return found


def _follow(file: CachedFile, lives: LiveBlobs, info: ObjectInfo, head_bytes: int) -> Followed | None:
    """None when there is nothing to fetch, or nowhere to put it."""
    live = lives.hold(info, file.live.authority)
    if live.bypassed or live.sealed:
        lives.drop(live)
        return None
    return Followed(live, _head(live.key, head_bytes))


def _following(file: CachedFile) -> list[ObjectInfo]:
    try:
        return list(file.following())
    except Exception:
        log.exception("cannot tell what follows %s: it is not read ahead", file.info.uri)
        return []


def _head(key: BlobKey, head_bytes: int) -> range:
    return key.chunks_of(ByteRange(0, head_bytes))
