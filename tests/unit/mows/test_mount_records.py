"""Records of mounts: written whole, read by the next daemon of the same boot, and by no other."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from cachefs.fs import Shown, build_snapshot
from cachefs.types import ObjectInfo
from mows.mount_records import OPENS, RECORD, SNAPSHOT, MountRecord, MountRecords
from mows.mount_spec import MountSpec

SPEC = MountSpec("oss://bucket/m/", "/link/to/m", warm=True, lease_seconds=60.0)
TARGET = Path("/models/m")


def a_snapshot(*keys: str) -> Shown:
    infos = [ObjectInfo(f"oss://bucket/{key}", key, 7, "v1", 5) for key in keys]
    return Shown(build_snapshot([infos], "m/", "m"))


@pytest.fixture
def records(tmp_path: Path) -> MountRecords:
    records = MountRecords(tmp_path / "mounts", "this boot")
    records.write("m", SPEC, TARGET, a_snapshot("m/x"))
    return records


def test_the_next_daemon_finds_what_was_written(records: MountRecords, tmp_path: Path) -> None:
    following = MountRecords(tmp_path / "mounts", "this boot")
    assert following.found() == [MountRecord("m", SPEC, TARGET, "this boot")]
    assert following.shown("m") == a_snapshot("m/x")
    assert following.opens("m") == tmp_path / "mounts" / "m" / "opens"


def test_what_is_shown_is_replaced_and_the_rest_stays(records: MountRecords) -> None:
    records.show("m", a_snapshot("m/y", "m/z"))
    assert records.shown("m") == a_snapshot("m/y", "m/z")
    assert [record.spec for record in records.found()] == [SPEC]


def test_nothing_is_left_of_a_removed_one(records: MountRecords, tmp_path: Path) -> None:
    records.opens("m").write_bytes(b"journal")
    records.remove("m")
    records.remove("m")
    assert list((tmp_path / "mounts").iterdir()) == []
    assert records.found() == []


def test_before_the_first_mount_there_is_nothing(tmp_path: Path) -> None:
    assert MountRecords(tmp_path / "mounts", "this boot").found() == []


def test_another_boot_forgets(records: MountRecords, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert MountRecords(tmp_path / "mounts", "another boot").found() == []
    assert [(record.levelno, record.message) for record in caplog.records] == [
        (logging.INFO, "forgotten: the machine was started anew")
    ]
    assert list((tmp_path / "mounts").iterdir()) == []


def test_a_record_written_by_half_is_none(records: MountRecords, tmp_path: Path) -> None:
    (tmp_path / "mounts" / "m" / RECORD).unlink()
    (tmp_path / "mounts" / "m" / OPENS).write_bytes(b"journal")
    assert records.found() == []
    assert list((tmp_path / "mounts").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "damaged"),
        ("[]", "damaged"),
        (json.dumps({"format": 2}), "format 2, and this version knows 1"),
        (json.dumps({"format": 1, "boot_id": "b", "target": "/", "spec": {"later": 1}}), "damaged"),
    ],
)
def test_a_damaged_or_later_record_costs_one_warning(
    records: MountRecords, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str, reason: str
) -> None:
    (tmp_path / "mounts" / "m" / RECORD).write_text(text)
    assert records.found() == []
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert reason in str(vars(caplog.records[0]))


@pytest.mark.parametrize("text", [None, "{", json.dumps({"format": 2})])
def test_a_snapshot_that_cannot_be_read_costs_one_warning(
    records: MountRecords, tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str | None
) -> None:
    path = tmp_path / "mounts" / "m" / SNAPSHOT
    path.unlink() if text is None else path.write_text(text)
    assert records.shown("m") is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert records.found() != []
