"""What must be known of an instance so that the next daemon can go on with it: ``<state_dir>/instances/<id>.json``.

It is written before the first mount is made and removed when the last one is gone, so a daemon that was killed in
between leaves a record, and never mounts that belong to nobody. Replaced by a rename and not synced, as the records of
mounts (`mows.mount_records`) are, and forgotten, as they are, when the machine was started anew. Blocking.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mows import logs
from mows.instance_choices import ReadyWhen
from mows.instance_spec import Ignored, InstanceSpec, PlannedMount
from mows.mount_spec import MountSpec

log = logging.getLogger(__name__)

FORMAT = 1
SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class InstanceRecord:
    """One instance of this daemon or an earlier one."""

    instance_id: str
    spec: InstanceSpec
    lease_until: float | None
    """Unix time."""
    process_started: int | None
    """Of `spec.process`: clock ticks after the boot."""


class InstanceRecords:
    """The records below one directory, which is made when the first is written. One daemon has it at a time."""

    def __init__(self, directory: Path, boot_id: str) -> None:
        self._directory = directory
        self._boot_id = boot_id

    def write(self, record: InstanceRecord) -> None:
        """Write the record, or replace it; a WARNING when that cannot be: the instance is served all the same."""
        document = {
            "format": FORMAT,
            "boot_id": self._boot_id,
            "spec": dataclasses.asdict(record.spec),
            "lease_until": record.lease_until,
            "process_started": record.process_started,
        }
        path = self._path(record.instance_id)
        aside = path.with_suffix(".new")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            aside.write_text(json.dumps(document, indent=1), encoding="ascii")
            aside.replace(path)
        except OSError as error:
            reason = str(error)
            logs.warn(log, "record not written, a restart would forget the instance", instance=path.stem, reason=reason)

    def remove(self, instance_id: str) -> None:
        """Forget an instance. Without effect when there is no record of it."""
        try:
            self._path(instance_id).unlink(missing_ok=True)
        except OSError as error:
            logs.warn(log, "record not removed, a restart would bring it back", instance=instance_id, reason=str(error))

    def found(self) -> list[InstanceRecord]:
        """The instances of earlier daemons of this boot, by id. Forgets those of other boots, and what is no record."""
        return [record for instance_id in sorted(self._ids()) if (record := self._usable(instance_id)) is not None]

    def _path(self, instance_id: str) -> Path:
        return self._directory / f"{instance_id}{SUFFIX}"

    def _ids(self) -> Iterator[str]:
        with suppress(FileNotFoundError):
            names = (path.name for path in self._directory.iterdir())
            yield from (name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX))

    def _usable(self, instance_id: str) -> InstanceRecord | None:
        try:
            document = json.loads(self._path(instance_id).read_bytes())
            ours = document["boot_id"] == self._boot_id
            record = _decode(instance_id, document) if ours else None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logs.warn(log, "record of an instance lost; its mounts stay", instance=instance_id, reason=repr(error))
            record = None
        else:
            if record is None:
                logs.event(log, "forgotten: the machine was started anew", instance=instance_id)
        if record is None:
            self.remove(instance_id)
        return record


def _decode(instance_id: str, document: dict[str, Any]) -> InstanceRecord:
    if document["format"] != FORMAT:
        raise ValueError(f"it has format {document['format']!r}, and this version knows {FORMAT}")
    return InstanceRecord(instance_id, _spec(document["spec"]), document["lease_until"], document["process_started"])


def _spec(fields: dict[str, Any]) -> InstanceSpec:
    mounts = (
        PlannedMount(row["number"], row["storage_path"], MountSpec(**row["spec"])) for row in fields.pop("mounts")
    )
    ignored = (Ignored(**row) for row in fields.pop("ignored"))
    ready_when = ReadyWhen(fields.pop("ready_when"))
    return InstanceSpec(mounts=tuple(mounts), ignored=tuple(ignored), ready_when=ready_when, **fields)
