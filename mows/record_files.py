"""What the next daemon must know of things with an id, a JSON file each: ``<directory>/<id>.json``.

Replaced by a rename and never synced: a record must survive ``kill -9``; what a power cut leaves is a record or none.
All methods block.
"""

from __future__ import annotations

import json
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from mows import logs

log = logging.getLogger(__name__)

Record = TypeVar("Record")

FORMAT = 1
SUFFIX = ".json"


class RecordFiles(ABC, Generic[Record]):
    """The directory is made when the first record is written. One daemon has it at a time."""

    kind: ClassVar[str]
    """The word for these things in the log."""
    left: ClassVar[str]
    """What stays of one whose record is lost."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @abstractmethod
    def encode(self, record: Record) -> tuple[str, Mapping[str, Any]]:
        """Its id, and all else as JSON."""

    @abstractmethod
    def decode(self, record_id: str, document: dict[str, Any]) -> Record | None:
        """The other way; None for one that is to be forgotten.

        May raise ValueError, KeyError, TypeError and AttributeError for what is no record.
        """

    def write(self, record: Record) -> None:
        """Write the record, or replace it; a WARNING when that cannot be: the work goes on all the same."""
        record_id, document = self.encode(record)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            replace(self._path(record_id), json.dumps({"format": FORMAT, **document}, indent=1).encode("ascii"))
        except OSError as error:
            self._warn(f"record not written, a restart would forget the {self.kind}", record_id, error)

    def remove(self, record_id: str) -> None:
        """Without effect when there is none."""
        try:
            self._path(record_id).unlink(missing_ok=True)
        except OSError as error:
            self._warn(f"record not removed, a restart would bring the {self.kind} back", record_id, error)

    def found(self) -> list[Record]:
        """Those of earlier daemons, the oldest first. Forgets what is no record."""
        return [record for record_id in self._ids() if (record := self._usable(record_id)) is not None]

    def _path(self, record_id: str) -> Path:
        return self._directory / f"{record_id}{SUFFIX}"

    def _ids(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            paths = [path for path in self._directory.iterdir() if path.name.endswith(SUFFIX)]
            yield from (path.name.removesuffix(SUFFIX) for path in sorted(paths, key=_age))

    def _usable(self, record_id: str) -> Record | None:
        try:
            document = json.loads(self._path(record_id).read_bytes())
            _check_format(document.pop("format"))
            record = self.decode(record_id, document)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self._warn(f"record of {self.kind} lost; its {self.left} stays", record_id, error)
            record = None
        if record is None:
            self.remove(record_id)
        return record

    def _warn(self, message: str, record_id: str, error: Exception) -> None:
        logs.warn(log, message, **{self.kind: record_id}, reason=repr(error))


def replace(path: Path, data: bytes) -> None:
    """Give a file new contents at once, or leave it. Raises OSError."""
    aside = path.with_suffix(".new")
    aside.write_bytes(data)
    aside.replace(path)


def _check_format(found: object) -> None:
    if found != FORMAT:
        raise ValueError(f"it has format {found!r}, and this version knows {FORMAT}")


def _age(path: Path) -> int:
    return path.stat().st_mtime_ns
