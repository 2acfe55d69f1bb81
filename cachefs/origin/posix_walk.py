"""All files below a directory, as someone who opens them would see them."""

from __future__ import annotations

import os
import stat as mode
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cachefs.types import Deadline


@dataclass(slots=True)
class Walk:
    """One walk. Links are followed where `allowed` says that their end may be shown.

    Links that lead elsewhere, broken links, loops, and what is neither file nor directory, are left out and counted
    in `ignored` by reason. Methods raise OSError and DeadlineExceeded.
    """

    what: str
    allowed: Callable[[Path], bool]
    deadline: Deadline
    ignored: Counter[str] = field(default_factory=Counter)

    def below(
        self, path: Path, key: str, above: frozenset[tuple[int, int]] = frozenset()
    ) -> Iterator[tuple[str, os.stat_result]]:
        """Keys and stats of all files, names in byte order. `key` is that of `path`, with a final ``/``.

        `above` holds the identities of the directories on the way here: to meet one again is a loop of links.
        """
        here = path.stat()
        above |= {(here.st_dev, here.st_ino)}
        with os.scandir(path) as entries:
            ordered = sorted(entries, key=_name)
        for entry in ordered:
            self.deadline.check(self.what)
            status = self._end_of(entry)
            if status is None:
                continue
            if mode.S_ISREG(status.st_mode):
                yield key + entry.name, status
            elif not mode.S_ISDIR(status.st_mode):
                self.ignored["special files"] += 1
            elif (status.st_dev, status.st_ino) in above:
                self.ignored["loops of links"] += 1
            else:
                yield from self.below(Path(entry.path), f"{key}{entry.name}/", above)

    def _end_of(self, entry: os.DirEntry[str]) -> os.stat_result | None:
        """The stat of the entry, or of what the link that it is leads to; None if that is nothing to show."""
        try:
            status = entry.stat()
        except OSError:
            self.ignored["broken links" if entry.is_symlink() else "unreadable entries"] += 1
            return None
        if entry.is_symlink() and not self.allowed(Path(entry.path)):
            self.ignored["links out of the source"] += 1
            return None
        return status


def _name(entry: os.DirEntry[str]) -> bytes:
    return os.fsencode(entry.name)
