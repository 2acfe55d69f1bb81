"""Readers of a daemon that is killed, replaced, and started after a power cut: the benchmark of it, in small."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.restarts.__main__ import Report, as_text, run
from mows.mount_records import RECORD, SNAPSHOT
from tests.fuse.daemon_process import Home, is_mounted, running


@pytest.fixture(scope="module")
def report() -> Report:
    return run(size_bytes=64 << 20, ends=4, seed=7, chunk_bytes=1 << 20)


def test_no_read_fails_and_no_byte_is_wrong(report: Report) -> None:
    """SEMANTICS S27: `kill -9` of the daemon, or its replacement, is a pause for readers."""
    assert report.clean, as_text(report)
    assert report.killed.ends > 0
    assert report.replaced.ends > 0
    assert report.killed.errors_logged == report.replaced.errors_logged == 0


def test_a_warm_restart_needs_no_origin(report: Report) -> None:
    restarted = report.restarted
    assert min(restarted.before.bytes_per_second, restarted.after.bytes_per_second) > 0
    assert restarted.verified.first_block_seconds > 0


def test_what_a_power_cut_took_is_fetched_again(report: Report) -> None:
    assert 0 < report.power_cut.bytes_from_origin < 64 << 20


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    (home.source / "x").write_bytes(b"weights")
    yield home
    for path in home.mounts.iterdir():
        assert not is_mounted(path)


def test_without_a_keeper_the_next_daemon_mounts_anew_by_itself(home: Home) -> None:
    """SEMANTICS S28."""
    with running(home) as first:
        first.put_mount(refresh_seconds=0)
        first.stop(signal.SIGKILL)
        with running(home) as second:
            assert (home.mounts / "m" / "x").read_bytes() == b"weights"
            body = {"source": f"file://{home.source}", "mount_path": str(home.mounts / "m"), "refresh_seconds": 0}
            assert second.http.put("/v1/mounts/m", json=body).status_code == 200
            assert "mows_mounts_adopted_total 0.0" in second.http.get("/metrics").text
            assert second.stop() == 0


@pytest.mark.parametrize("lost", ["snapshot", "format"])
def test_a_snapshot_that_is_lost_costs_a_warning_and_a_listing(home: Home, lost: str) -> None:
    where = home.path / "state" / "mounts" / "m"
    with running(home) as first:
        first.put_mount()
        first.stop(signal.SIGKILL)
        (where / SNAPSHOT).write_text("{" if lost == "snapshot" else json.dumps({"format": 99}))
        with running(home) as second:
            assert second.http.get("/v1/mounts/m", params={"wait": 30}).json()["state"] == "mounted"
            assert (home.mounts / "m" / "x").read_bytes() == b"weights"
            assert second.stop() == 0
    lines = [json.loads(line) for line in (home.path / "log").read_text().splitlines()]
    assert sum(line["level"] == "WARNING" and "snapshot lost" in line["message"] for line in lines) == 1


def test_mounts_of_another_boot_are_forgotten(home: Home) -> None:
    with running(home) as first:
        first.put_mount()
        first.stop(signal.SIGINT)
    record = home.path / "state" / "mounts" / "m" / RECORD
    assert not record.exists()  # what was unmounted does not come back
    record.parent.mkdir()
    spec = {"source": "file:///x", "mount_path": "/x", "warm": False, "lease_seconds": None, "refresh_seconds": None}
    record.write_text(json.dumps({"format": 1, "boot_id": "another", "target": "/x", "spec": spec}))
    with running(home) as second:
        assert second.http.get("/v1/mounts").json()["mounts"] == []
        assert not record.exists()
        assert second.stop() == 0
