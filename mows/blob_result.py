"""What becomes of a blob that is pinned, evicted or verified. A leaf, as `mows.prewarm_state` is."""

from __future__ import annotations

from enum import StrEnum


class Result(StrEnum):
    """What became of a blob. The values are part of the REST interface."""

    PINNED = "pinned"
    UNPINNED = "unpinned"
    EVICTED = "evicted"
    BUSY = "busy"
    OK = "ok"
    CORRUPT = "corrupt"
