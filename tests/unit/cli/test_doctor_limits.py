"""Open files and memory."""

import resource

import pytest

from cli.doctor.finding import Level
from cli.doctor.limits import memory, open_files, probe

GIB = 1 << 30
MEMINFO = f"MemTotal:       {16 * GIB // 1024} kB\nMemFree: 1 kB\nMemAvailable:   {8 * GIB // 1024} kB\n"


@pytest.mark.parametrize(
    ("soft", "hard", "level"),
    [
        (1 << 20, 1 << 20, Level.OK),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, Level.OK),
        (1024, 4096, Level.WARN),
    ],
)
def test_open_files(soft: int, hard: int, level: Level) -> None:
    assert open_files(soft, hard).level is level


def test_the_remedy_for_open_files_depends_on_the_hard_limit() -> None:
    assert "ulimit -n" in open_files(1024, 1 << 20).remedy
    assert "LimitNOFILE" in open_files(1024, 4096).remedy


@pytest.mark.parametrize(
    ("tier_bytes", "limit", "level"),
    [
        (4 * GIB, "max\n", Level.OK),
        (12 * GIB, "max\n", Level.WARN),
        (16 * GIB, "max\n", Level.FAIL),
        (4 * GIB, f"{2 * GIB}\n", Level.FAIL),
        (0, f"{2 * GIB}\n", Level.OK),
    ],
)
def test_memory_tiers_must_fit_the_machine_and_the_container(tier_bytes: int, limit: str, level: Level) -> None:
    assert memory(MEMINFO, limit, tier_bytes).level is level


def test_both_checks_answer_on_this_node() -> None:
    assert [finding.name for finding in probe(0)] == ["open files", "memory"]
