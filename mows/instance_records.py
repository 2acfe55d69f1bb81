"""What must be known of an instance so that the next daemon can go on with it: ``<state_dir>/instances/<id>.json``.

It is written before the first mount is made and removed when the last one is gone, so a daemon that was killed in
between leaves a record, and never mounts that belong to nobody. Forgotten, as mounts are, when the machine was started
anew. Blocking.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mows import logs
from mows.instance_choices import ReadyWhen
from mows.instance_spec import Ignored, InstanceSpec, PlannedMount
from mows.mount_spec import MountSpec
from mows.record_files import RecordFiles

log = logging.getLogger(__name__)


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
    """See `RecordFiles`."""

    def __init__(self, directory: Path, boot_id: str) -> None:
        self._boot_id = boot_id
        self._files = RecordFiles(directory, "instance", self._decode, left="mounts")
        self.remove = self._files.remove
        self.found = self._files.found
        """The instances of earlier daemons of this boot."""

    def write(self, record: InstanceRecord) -> None:
        """See `RecordFiles.write`."""
        fields = dataclasses.asdict(record)
        self._files.write(fields.pop("instance_id"), {"boot_id": self._boot_id, **fields})

    def _decode(self, instance_id: str, document: dict[str, Any]) -> InstanceRecord | None:
        if document.pop("boot_id") != self._boot_id:
            logs.event(log, "forgotten: the machine was started anew", instance=instance_id)
            return None
        return InstanceRecord(instance_id, _spec(document.pop("spec")), **document)


def _spec(fields: dict[str, Any]) -> InstanceSpec:
    mounts = (
        PlannedMount(row["number"], row["storage_path"], MountSpec(**row["spec"])) for row in fields.pop("mounts")
    )
    ignored = (Ignored(**row) for row in fields.pop("ignored"))
    ready_when = ReadyWhen(fields.pop("ready_when"))
    return InstanceSpec(mounts=tuple(mounts), ignored=tuple(ignored), ready_when=ready_when, **fields)
