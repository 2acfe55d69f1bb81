"""Records of instances: written, read back, and never trusted when they are damaged or of another boot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mows.instance_choices import ReadyWhen
from mows.instance_records import InstanceRecord, InstanceRecords
from mows.instance_spec import Ignored, InstanceSpec, PlannedMount
from mows.mount_spec import MountSpec

SPEC = InstanceSpec(
    mounts=(PlannedMount(0, "/a", MountSpec("oss://b-1/m/", "/models/i/a", warm=True)),),
    ignored=(Ignored(1, "/tmp/x", "empty_dir", "why"),),
    root="/models/i",
    own_root=True,
    ready_when=ReadyWhen.WARM,
    lease_seconds=60.0,
    process=7,
    name="qwen",
)
RECORD = InstanceRecord("i", SPEC, 1060.0, 4711)


@pytest.fixture
def records(tmp_path: Path) -> InstanceRecords:
    return InstanceRecords(tmp_path / "instances", "this boot")


def test_what_was_written_is_found_until_it_is_removed(records: InstanceRecords) -> None:
    assert records.found() == []
    bare = InstanceRecord("b", InstanceSpec((), (), "/models/b"), None, None)
    records.write(bare)
    records.write(InstanceRecord("i", SPEC, 1.0, None))
    records.write(RECORD)
    assert records.found() == [bare, RECORD]
    for _ in range(2):
        records.remove("i")
    assert records.found() == [bare]


def test_another_boot_ended_all_instances(records: InstanceRecords, tmp_path: Path) -> None:
    records.write(RECORD)
    assert InstanceRecords(tmp_path / "instances", "another").found() == []
    assert records.found() == []


@pytest.mark.expects_warnings
@pytest.mark.parametrize("change", [None, {"format": 2}, {"spec": {}}, {"spec": 7}, {"boot_id": None}])
def test_a_damaged_record_is_lost_and_said_to_be(
    records: InstanceRecords, tmp_path: Path, change: dict[str, Any] | None, caplog: pytest.LogCaptureFixture
) -> None:
    records.write(RECORD)
    path = tmp_path / "instances" / "i.json"
    path.write_text("{" if change is None else json.dumps(json.loads(path.read_text()) | change))
    assert records.found() == []
    assert not path.exists()


def test_a_directory_that_cannot_be_written_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    records = InstanceRecords(tmp_path / "file", "this boot")
    records.write(RECORD)
    assert "a restart would forget the instance" in caplog.text
