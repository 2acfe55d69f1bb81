"""What must be known of a prewarm so that the next daemon can go on with it: ``<state_dir>/prewarms/<id>.json``.

A prewarm that had not ended is begun again under its id: what is in the cache already is not fetched again, and its
lease goes on from where it was. Of one that has ended the record says how, until it is forgotten. It outlives a start
of the machine, because a tier on a disk does, too. Replaced by a rename, as other records are. Blocking.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mows import logs
from mows.prewarm_spec import PrewarmSpec
from mows.prewarm_state import Order

log = logging.getLogger(__name__)

FORMAT = 1
SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class PrewarmRecord:
    """One prewarm of this daemon or an earlier one."""

    prewarm_id: str
    spec: PrewarmSpec
    lease_until: float
    """Unix time."""
    paused: bool = False
    nodes: tuple[str, ...] | None = None
    """Of a prewarm of several nodes: theirs. None: it is of this node alone."""
    ended: Mapping[str, Any] | None = None
    """The last answer of one that has ended, as JSON; None: it had not."""
    ended_at: float | None = None
    """Unix time."""


class PrewarmRecords:
    """The records below one directory, which is made when the first is written. One daemon has it at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def write(self, record: PrewarmRecord) -> None:
        """Write the record, or replace it; a WARNING when that cannot be: the prewarm goes on all the same."""
        document = {"format": FORMAT, **asdict(record)}
        path = self._path(record.prewarm_id)
        aside = path.with_suffix(".new")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(document, indent=1), encoding="ascii")
            aside.replace(path)
        except OSError as error:
            logs.warn(
                log, "record not written, a restart would forget the prewarm", prewarm=path.stem, reason=str(error)
            )

    def remove(self, prewarm_id: str) -> None:
        """Forget a prewarm. Without effect when there is no record of it."""
        try:
            self._path(prewarm_id).unlink(missing_ok=True)
        except OSError as error:
            logs.warn(log, "record not removed, a restart would bring it back", prewarm=prewarm_id, reason=str(error))

    def found(self) -> list[PrewarmRecord]:
        """The prewarms of earlier daemons, the oldest first. Forgets what is no record."""
        return [record for prewarm_id in self._ids() if (record := self._usable(prewarm_id)) is not None]

    def _path(self, prewarm_id: str) -> Path:
        return self._directory / f"{prewarm_id}{SUFFIX}"

    def _ids(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            paths = [path for path in self._directory.iterdir() if path.name.endswith(SUFFIX)]
            yield from (path.stem for path in sorted(paths, key=lambda path: path.stat().st_mtime_ns))

    def _usable(self, prewarm_id: str) -> PrewarmRecord | None:
        try:
            return _decode(json.loads(self._path(prewarm_id).read_bytes()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logs.warn(log, "record of a prewarm lost; its lease stays", prewarm=prewarm_id, reason=repr(error))
            self.remove(prewarm_id)
            return None


def _decode(document: dict[str, Any]) -> PrewarmRecord:
    if (version := document.pop("format")) != FORMAT:
        raise ValueError(f"it has format {version!r}, and this version knows {FORMAT}")
    spec = document.pop("spec")
    sources, order, nodes = tuple(spec.pop("sources")), Order(spec.pop("order")), document.pop("nodes")
    return PrewarmRecord(
        spec=PrewarmSpec(sources=sources, order=order, **spec),
        nodes=None if nodes is None else tuple(nodes),
        **document,
    )
