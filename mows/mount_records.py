"""What must be known of a mount so that the next daemon can go on with it, as files.

``<state_dir>/mounts/<id>/`` holds

- ``snapshot.json``: what the mount shows and serves (`cachefs.fs.snapshot_codec`), so that no origin is needed;
- ``record.json``: what was asked for, and under which boot of the machine. It is written last and removed first: where
  it is, the rest is;
- ``opens``: the journal of open files, which belongs to `cachefs.fuse`.

Each is replaced by a rename and never synced: a record must survive ``kill -9``, and after another boot of the machine
there is no mount left that it could speak of. Blocking: not on the loop.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cachefs.fs import Shown, UnreadableSnapshot, decode_shown, encode_shown
from mows import logs
from mows.mount_spec import MountSpec
from mows.record_files import replace

log = logging.getLogger(__name__)

FORMAT = 1
RECORD, SNAPSHOT, OPENS = "record.json", "snapshot.json", "opens"


class UnreadableRecord(ValueError):
    """The file is not what this version writes. The message says in what."""


@dataclass(frozen=True, slots=True)
class MountRecord:
    """One mount of an earlier daemon."""

    mount_id: str
    spec: MountSpec
    target: Path
    """Where it is: `spec.mount_path` without symbolic links."""
    boot_id: str


class MountRecords:
    """The records below one directory, which is made when the first is written. One daemon has it at a time.

    Thread-safe for different mounts.
    """

    def __init__(self, directory: Path, boot_id: str) -> None:
        self._directory = directory
        self._boot_id = boot_id

    def opens(self, mount_id: str) -> Path:
        """Where the journal of open files of this mount is."""
        return self._directory / mount_id / OPENS

    def write(self, mount_id: str, spec: MountSpec, target: Path, shown: Shown) -> None:
        """Write the record, or replace it. Raises OSError; then the one before is still whole."""
        self.show(mount_id, shown)
        record = MountRecord(mount_id, spec, target, self._boot_id)
        replace(self._directory / mount_id / RECORD, _encode(record))

    def show(self, mount_id: str, shown: Shown) -> None:
        """Replace what the mount shows. Raises OSError; then the one before is still whole."""
        path = self._directory / mount_id / SNAPSHOT
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, encode_shown(shown))

    def shown(self, mount_id: str) -> Shown | None:
        """What the mount showed; None, and a WARNING, when that cannot be read."""
        try:
            return decode_shown((self._directory / mount_id / SNAPSHOT).read_bytes(), mount_id)
        except (OSError, UnreadableSnapshot) as error:
            logs.warn(log, "snapshot lost, the source is listed again", mount=mount_id, reason=str(error))
            return None

    def remove(self, mount_id: str) -> None:
        """Forget a mount. Without effect when there is no record of it; a WARNING when it cannot be removed."""
        directory = self._directory / mount_id
        try:
            (directory / RECORD).unlink()
        except (FileNotFoundError, NotADirectoryError):
            pass  # there is none
        except OSError as error:
            logs.warn(log, "record not removed, a restart would mount it again", mount=mount_id, reason=str(error))
        shutil.rmtree(directory, ignore_errors=True)

    def found(self) -> list[MountRecord]:
        """The mounts of earlier daemons of this boot, by id. Forgets those of other boots, and what is no record."""
        return [record for mount_id in sorted(self._ids()) if (record := self._usable(mount_id)) is not None]

    def _ids(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            yield from (path.name for path in self._directory.iterdir() if path.is_dir())

    def _usable(self, mount_id: str) -> MountRecord | None:
        path = self._directory / mount_id / RECORD
        try:
            record = _decode(path.read_bytes(), mount_id)
        except FileNotFoundError:
            self.remove(mount_id)  # written or removed by half: it was never mounted, or is unmounted
            return None
        except (OSError, UnreadableRecord) as error:
            logs.warn(
                log, "record of a mount lost; if it is still mounted, unmount it", mount=mount_id, reason=str(error)
            )
            self.remove(mount_id)
            return None
        if record.boot_id == self._boot_id:
            return record
        logs.event(log, "forgotten: the machine was started anew", mount=mount_id, source=record.spec.source)
        self.remove(mount_id)
        return None


def _encode(record: MountRecord) -> bytes:
    document = {
        "format": FORMAT,
        "boot_id": record.boot_id,
        "target": str(record.target),
        "spec": dataclasses.asdict(record.spec),
    }
    return json.dumps(document, indent=1).encode("ascii")


def _decode(data: bytes, mount_id: str) -> MountRecord:
    try:
        document: dict[str, Any] = json.loads(data)
        _check_format(document["format"])
        return MountRecord(
            mount_id, MountSpec(**document["spec"]), Path(str(document["target"])), str(document["boot_id"])
        )
    except UnreadableRecord:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableRecord(f"it is damaged: {error!r}") from error


def _check_format(found: object) -> None:
    if found != FORMAT:
        raise UnreadableRecord(f"it has format {found!r}, and this version knows {FORMAT}")
