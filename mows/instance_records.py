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


class InstanceRecords(RecordFiles[InstanceRecord]):
    """Those of the boot `boot_id`; others are forgotten."""

    kind = "instance"
    left = "mounts"

    def __init__(self, directory: Path, boot_id: str) -> None:
        super().__init__(directory)
        self._boot_id = boot_id

    def encode(self, record: InstanceRecord) -> tuple[str, dict[str, Any]]:
        """See `RecordFiles.encode`."""
        fields = dataclasses.asdict(record)
        return fields.pop("instance_id"), {"boot_id": self._boot_id, **fields}

    def decode(self, record_id: str, document: dict[str, Any]) -> InstanceRecord | None:
        """See `RecordFiles.decode`."""
        if document.pop("boot_id") != self._boot_id:
            logs.event(log, "forgotten: the machine was started anew", instance=record_id)
            return None
        return InstanceRecord(record_id, _spec(document.pop("spec")), **document)


def _spec(fields: dict[str, Any]) -> InstanceSpec:
    mounts = (
        PlannedMount(row["number"], row["storage_path"], MountSpec(**row["spec"])) for row in fields.pop("mounts")
    )
    ignored = (Ignored(**row) for row in fields.pop("ignored"))
    ready_when = ReadyWhen(fields.pop("ready_when"))
    return InstanceSpec(mounts=tuple(mounts), ignored=tuple(ignored), ready_when=ready_when, **fields)
