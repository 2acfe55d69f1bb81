"""What a caller may choose about an instance. A leaf, as `mows.instance_state` is."""

from __future__ import annotations

from enum import StrEnum


class ReadyWhen(StrEnum):
    """What the caller calls ready. The values are part of the REST interface."""

    MOUNTED = "mounted"
    """Files can be read."""
    WARM = "warm"
    """All files were put into the cache."""


class Writable(StrEnum):
    """What becomes of an entry that says ``readOnly: false``. The values are part of the REST interface."""

    REFUSE = "refuse"
    READ_ONLY = "read_only"
    """Mount it all the same; a write fails with EROFS."""
    IGNORE = "ignore"
    """Leave it to others."""
