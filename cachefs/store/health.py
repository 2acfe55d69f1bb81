"""Whether a tier works, as a value: what its faults and looks at it make of it. Pure.

One failed call is enough to be in trouble, since the next blob had better go elsewhere. It takes a look that finds
nothing wrong and some time without a fault to be well again: a disk that fails one call in five is not well between
two of them, nor one that others keep full to the brim.
"""

from __future__ import annotations

import errno
import math
from dataclasses import dataclass, replace

QUIET_SECONDS = 5.0
"""Without a fault, before a tier that failed counts as well."""

_ABOUT_ONE_FILE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.ENOTEMPTY, errno.EBADF, errno.ESTALE})


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a tier found."""

    trouble: str = ""
    """Why it would take no bytes; empty when it would."""
    gone: bool = False
    """The directory is not there, or is not the one that was taken: unmounted, replaced, removed."""


@dataclass(frozen=True, slots=True)
class Health:
    """One tier now. Moments are seconds on the caller's clock."""

    trouble: str = ""
    """Why it does not work; empty while it does."""
    since: float = 0.0
    """When the trouble began."""
    faulted_at: float = -math.inf
    """When a call failed last, or a look found a trouble."""
    gone: bool = False
    """As `Finding.gone`, from the look that found it to the one that found it again."""

    def faulted(self, trouble: str, error_number: int | None, now: float) -> Health:
        """A call failed. What says something about one file only does not count."""
        if error_number in _ABOUT_ONE_FILE:
            return self
        return replace(self._in_trouble(trouble, now), faulted_at=now)

    def found(self, finding: Finding, now: float) -> Health:
        """Somebody looked."""
        if finding.trouble:
            return replace(self._in_trouble(finding.trouble, now), faulted_at=now, gone=finding.gone)
        if self.gone:
            return Health()  # it is another directory now: what failed in the old one says nothing
        return self if self.trouble and now - self.faulted_at < QUIET_SECONDS else Health()

    def _in_trouble(self, trouble: str, now: float) -> Health:
        return replace(self, trouble=trouble, since=self.since if self.trouble else now)
