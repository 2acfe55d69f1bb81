"""Kernels, devices and rights the doctor meets."""

import errno
from pathlib import Path

import pytest

from cli.doctor.finding import Level
from cli.doctor.kernel import fuse_device, has_sys_admin, kernel_version, max_pages, probe, right_to_mount

DEVICE = Path("/dev/fuse")


@pytest.mark.parametrize(
    ("release", "level"),
    [
        ("6.18.5-amd64", Level.OK),
        ("6.9.0", Level.OK),
        ("6.8.0-1021-gke", Level.WARN),
        ("5.10.134-16.al8.x86_64", Level.WARN),
        ("4.19.91", Level.FAIL),
        ("strange", Level.FAIL),
    ],
)
def test_the_kernel_decides_about_passthrough(release: str, level: Level) -> None:
    assert kernel_version(release).level is level


def test_a_missing_device_has_another_remedy_than_a_forbidden_one() -> None:
    missing = fuse_device(FileNotFoundError(errno.ENOENT, "No such file or directory"), DEVICE)
    forbidden = fuse_device(PermissionError(errno.EACCES, "Permission denied"), DEVICE)
    assert (missing.level, forbidden.level) == (Level.FAIL, Level.FAIL)
    assert "modprobe" in missing.remedy
    assert "modprobe" not in forbidden.remedy
    assert fuse_device(None, DEVICE).level is Level.OK


@pytest.mark.parametrize(
    ("capability", "helper", "level"),
    [(True, None, Level.OK), (False, "/bin/fusermount3", Level.WARN), (False, None, Level.FAIL)],
)
def test_mounting_needs_the_capability_or_the_helper(capability: bool, helper: str | None, level: Level) -> None:
    assert right_to_mount(capability, helper).level is level


@pytest.mark.parametrize(
    ("status", "expected"),
    [("CapEff:\t000001ffffffffff\n", True), ("CapEff:\t00000000a80425fb\n", False), ("", False)],
)
def test_the_capability_is_read_from_the_effective_set(status: str, expected: bool) -> None:
    assert has_sys_admin(status) is expected


@pytest.mark.parametrize(("limit", "level"), [(None, Level.OK), (256, Level.OK), (65535, Level.OK), (32, Level.WARN)])
def test_the_request_size_follows_the_sysctl(limit: int | None, level: Level) -> None:
    assert max_pages(limit).level is level


def test_every_check_answers_on_this_node_and_names_a_remedy() -> None:
    findings = list(probe())
    assert [finding.name for finding in findings] == ["kernel", "fuse device", "right to mount", "request size"]
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)
