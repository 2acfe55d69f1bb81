"""The audit log: whole lines, no secrets, bounded, for its owner only."""

from __future__ import annotations

import errno
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mows import audit, logs
from mows.audit import AuditLog
from mows.redaction import Redactor

MOMENT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / audit.NAME


def log_at(path: Path, **more: Any) -> AuditLog:
    return AuditLog(path, redact=Redactor(["hush-hush"]), now=lambda: MOMENT, **more)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_says_when_what_who_and_the_rest_in_this_order(path: Path) -> None:
    with logs.bound(request_id="r1", mount="not asked for"):
        log_at(path).record("mount", "1000:42", id="m", outcome="ok")
    assert path.read_text() == (
        '{"time": "2026-11-23T12:00:00.000+00:00", "action": "mount", "caller": "1000:42", "request_id": "r1", '
        '"id": "m", "outcome": "ok"}\n'
    )


def test_it_is_for_its_owner_only(path: Path) -> None:
    before = os.umask(0)
    try:
        log_at(path).record("mount", "csi")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_masked_and_a_line_stays_a_line(path: Path) -> None:
    log_at(path).record("mount", "csi", source="https://u:hush-hush@host/?sig=abcdef", id='x"\n{"action": "forged"}')
    (row,) = rows(path)
    assert row["source"] == "https://***@host/?sig=***"
    assert row["id"] == 'x"\n{"action": "forged"}'


def test_a_full_file_is_followed_by_a_new_one_and_the_oldest_goes(path: Path) -> None:
    kept = log_at(path, file_bytes=250, old_files=2)
    for number in range(10):
        kept.record("pin", "csi", number=number)
    files = [path.with_name(f"{path.name}{end}") for end in (".2", ".1", "")]
    assert [row["number"] for file in files for row in rows(file)] == [4, 5, 6, 7, 8, 9]
    assert sorted(path.parent.iterdir()) == sorted(files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert all(file.stat().st_size <= 250 for file in files)


def test_many_threads_lose_and_mix_nothing(path: Path) -> None:
    kept = log_at(path, file_bytes=2000, old_files=1000)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: kept.record("evict", "csi", number=number), range(400)))
    numbers = [row["number"] for file in path.parent.iterdir() for row in rows(file)]
    assert sorted(numbers) == list(range(400))


def test_what_cannot_be_written_is_in_the_daemons_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    log_at(tmp_path / "none" / audit.NAME).record("umount", "0:1", id="m", source="https://h/?sig=abcdef")
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert os.strerror(errno.ENOENT) in record.getMessage()
    assert '"action": "umount"' in record.getMessage()
    assert "abcdef" not in record.getMessage()


def test_half_a_line_is_taken_back(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept, write = log_at(path), os.write
    kept.record("pin", "csi", number=1)
    monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:20]))
    kept.record("pin", "csi", number=2)
    monkeypatch.undo()
    kept.record("pin", "csi", number=3)
    assert [row["number"] for row in rows(path)] == [1, 3]
    assert "the disk is full" in caplog.text


def test_a_link_in_its_place_is_not_followed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    elsewhere = path.with_name("precious")
    elsewhere.write_text("")
    path.symlink_to(elsewhere)
    log_at(path).record("mount", "csi")
    assert elsewhere.read_text() == ""
    assert os.strerror(errno.ELOOP) in caplog.text
